import { defineService, method } from 'tendon';

export const numbers = defineService('numbers', {
  methods: { countPrimes: method<{ below: number }, number>({ deadlineMs: 30_000 }) },
});
