import { runAnalyser } from './analyser.ts';
import { ParentLine, type PartSpec, tell } from './part.ts';
import { runSensor } from './sensor.ts';

/** The program of the sensor's and the analyser's process: its one argument is a `PartSpec`. */
const spec = JSON.parse(process.argv[2] ?? '{}') as PartSpec; // written by DemoProcess of the same installation

const parent = new ParentLine(spec.directory);
try {
  await (spec.role === 'sensor' ? runSensor(spec, parent) : runAnalyser(spec, parent));
} catch (error) {
  tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
  if (process.connected) process.disconnect();
}
