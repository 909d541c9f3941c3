import { defineService, method } from 'tendon/rpc';

export const soakService = defineService('soak', {
  methods: {
    echo: method<
      { readonly n: number; readonly text: string },
      { readonly n: number; readonly text: string }
    >(),
    bytes: method<Uint8Array, Uint8Array>({ codec: 'bytes' }),
    /** never answers: its caller gives up */
    hang: method<void, void>(),
    refuse: method<string, never>(),
    note: method<string>({ oneWay: true }),
  },
});
