import type { CallClient, CallServer, Face } from '../subject.ts';
import { contextOf, dial, listen, type Way } from './connection-faces.ts';

const loadRpc = (): Promise<typeof import('../../../rpc/index.ts')> => import('../../../rpc/index.ts');

/** The contract that both sides share; its deadline is the default one, as users get it. */
async function echoService() {
  const { defineService, method } = await loadRpc();
  return defineService('bench', {
    methods: { echo: method<Uint8Array, Uint8Array>({ codec: 'bytes' }) },
  });
}

/** Calls through `tendon/rpc`: typed, with deadlines, errors and bounded concurrency. */
export function callFace(way: Way): Face<CallServer, CallClient> {
  return {
    responder: async (context) => {
      const { ServiceStub } = await loadRpc();
      let answer: (request: Uint8Array) => Uint8Array = (request) => request;
      await ServiceStub.serve(
        await echoService(),
        { echo: (request) => answer(request) },
        { listener: await listen(way, context), context: contextOf(context) },
      );
      return {
        serve: (next) => {
          answer = next;
        },
      };
    },
    initiator: async (context) => {
      const { ServiceProxy } = await loadRpc();
      const proxy = await ServiceProxy.connect(await echoService(), await dial(way, context), {
        context: contextOf(context),
      });
      return { call: (request) => proxy.call('echo', request) };
    },
  };
}
