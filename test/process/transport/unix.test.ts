import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { unixTransport } from 'tendon/transport/unix';
import { processTests } from './scenarios.ts';

const directory = mkdtempSync(join(tmpdir(), 'tendon-process-'));
after(() => rmSync(directory, { recursive: true }));
let sockets = 0;

processTests('unix:', {
  transport: unixTransport,
  freshEndpoint: () => `unix:${directory}/${sockets++}.sock`,
  module: 'tendon/transport/unix',
  exported: 'unixTransport',
});
