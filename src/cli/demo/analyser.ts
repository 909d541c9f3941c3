import { Context } from '../../core/index.ts';
import { listen } from '../../index.ts';
import { ServiceStub } from '../../rpc/index.ts';
import type { Connection } from '../../transport/index.ts';
import { Analysis } from './analysis.ts';
import { monotonicClock } from './clock.ts';
import { analyserService } from './contract.ts';
import { type ParentLine, type PartSpec, REPORTS_ENDPOINT, SAMPLES_ENDPOINT } from './part.ts';

const MAX_BUSIEST = 100;

/** The analyser's process: takes samples at one endpoint, answers calls at another. */
export async function runAnalyser(spec: PartSpec, parent: ParentLine): Promise<void> {
  const context = new Context({ runtimeDirectory: spec.directory });
  const nowNs = monotonicClock();
  const analysis = new Analysis();
  const samples = await listen(SAMPLES_ENDPOINT, { context });
  const calls = await listen(REPORTS_ENDPOINT, { context });
  const stub = await ServiceStub.serve(
    analyserService,
    { report: ({ busiest }) => analysis.report(nowNs(), Math.min(busiest, MAX_BUSIEST)) },
    { listener: calls, context },
  );

  const sensors = new Set<Connection>();
  const accept = async (): Promise<void> => {
    for await (const connection of samples) {
      sensors.add(connection);
      follow(connection, analysis, nowNs);
      connection.events.on('state', (state) => {
        if (state === 'closed') sensors.delete(connection);
      });
    }
  };
  const accepting = accept();
  await parent.ready('', undefined, async () => {
    await samples.close();
    await accepting.catch(() => {});
    await Promise.all([...sensors].map((connection) => connection.close()));
    await stub.stop();
    return undefined;
  });
}

function follow(connection: Connection, analysis: Analysis, nowNs: () => number): void {
  const record = analysis.sensor(connection.peer?.pid ?? null, connection.stats.active, nowNs());
  connection.events.on('state', (state, reason) => {
    if (state === 'draining' || state === 'closed') {
      record.learnedNs ??= nowNs();
      record.ended ??= reason?.code ?? null;
    }
    if (state === 'closed') record.drainedNs = nowNs();
  });
  connection.consume((bytes, offset, length) => {
    if (!analysis.frame(record, bytes, offset, length, nowNs())) connection.destroy();
  });
}
