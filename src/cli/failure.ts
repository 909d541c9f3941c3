import { TendonError } from '../core/index.ts';

/** What to do where the message does not say it already; the reference page of codes has the rest. */
const REMEDIES: Readonly<Partial<Record<string, string>>> = {
  NATIVE_UNAVAILABLE: 'run "tendon doctor"; unix: and tcp: work without the addon',
  CAPABILITY_MISSING: 'run "tendon doctor", or take another transport',
  PERMISSION_DENIED: 'run "tendon doctor" for the owner and mode of the runtime directory',
  RESOURCE_EXHAUSTED: 'run "tendon doctor" for the limits of this process',
  ENDPOINT_NOT_FOUND: 'start the other side first, or check that both name the same endpoint',
  ENDPOINT_IN_USE: 'stop the process that listens there, or take another name',
  CONNECTION_REFUSED: 'check that the other side runs and accepts this user',
  CONNECT_TIMEOUT: 'check whether the other process is stopped or very busy',
  METHOD_NOT_FOUND: 'a method is named SERVICE/METHOD; ask the one who wrote the service',
  DEADLINE_EXCEEDED: 'allow more time with --timeout',
};

/** A failure of a command for people: `CODE: message`, what to do, and with `debug` where it came from. */
export function describeFailure(error: unknown, debug: boolean): string {
  const lines: string[] = [];
  if (TendonError.is(error)) {
    const code = TendonError.is(error, 'REMOTE') ? `${error.code} ${error.details.remoteCode}` : error.code;
    lines.push(`${code}: ${error.message}`);
    const remedy = REMEDIES[error.code];
    if (remedy !== undefined) lines.push(`  what to do: ${remedy}`);
  } else if (error instanceof Error) {
    const code = (error as NodeJS.ErrnoException).code ?? error.name;
    lines.push(error.message.startsWith(code) ? error.message : `${code}: ${error.message}`);
  } else {
    lines.push(`ERROR: ${String(error)}`);
  }
  if (debug) lines.push(stackOf(error));
  return `${lines.join('\n')}\n`;
}

function stackOf(error: unknown): string {
  const lines: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) {
    lines.push(`${lines.length > 0 ? 'caused by ' : ''}${at.stack ?? at.message}`);
  }
  return lines.join('\n');
}
