/** A server process: `server.js SCHEME ENDPOINT DIRECTORY`. Tells its endpoint, then stops in good order on SIGTERM. */
import { Context } from 'tendon/core';
import { ServiceStub, serviceError } from 'tendon/rpc';
import { TRANSPORTS, testService } from './service.js';

const [scheme = '', endpoint = '', runtimeDirectory = ''] = process.argv.slice(2);
const context = new Context({ runtimeDirectory });
const listener = await TRANSPORTS[scheme]!.listen(endpoint, { context });
let abortedHandlers = 0;
let notes = 0;
const stub: ServiceStub<typeof testService.methods> = await ServiceStub.serve(
  testService,
  {
    echo: (value) => value,
    bytes: (value) => value,
    sleep: (ms, { signal }) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => resolve('slept'), ms);
        signal.addEventListener('abort', () => {
          abortedHandlers++;
          clearTimeout(timer);
          reject(signal.reason);
        });
      }),
    refuse: (what) => {
      throw serviceError('NOT_TODAY', what, { details: { tomorrow: true } });
    },
    report: () => {
      const { activeHandlers, cancelledRequests, timeoutRequests, droppedConnections, connections } =
        stub.stats;
      return {
        activeHandlers: activeHandlers - 1, // this one
        abortedHandlers,
        cancelledRequests,
        timeoutRequests,
        droppedConnections,
        connections,
        notes,
      };
    },
    note: () => {
      notes++;
    },
  },
  { listener, context, maxConcurrentRequests: 200 },
);
process.send?.(listener.endpoint);
process.once('SIGTERM', () => {
  void stub.stop().then((report) => process.send?.(report, () => process.disconnect()));
});
process.once('disconnect', () => process.exit());
