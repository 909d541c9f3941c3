import { rmSync } from 'node:fs';

/** The demo's processes besides the one that shows. */
export type Role = 'sensor' | 'analyser';

/** Its command line, as JSON. */
export interface PartSpec {
  readonly role: Role;
  /** where names rendezvous, of this run alone; removed when the run is over */
  readonly directory: string;
  readonly generation: number;
  /** host samples a second; 0: as fast as it goes */
  readonly rate: number;
}

/** What a process of the demo says over the line to its parent. Samples and reports never travel here. */
export type PartMessage =
  | { readonly kind: 'ready'; readonly transport: string; readonly reason: string | undefined }
  | { readonly kind: 'farewell'; readonly account: unknown }
  | { readonly kind: 'failed'; readonly message: string };

export const STOP = 'stop';
export const SAMPLES_ENDPOINT = 'auto:samples';
export const REPORTS_ENDPOINT = 'auto:analyser';

/** Where the sensor leaves how many frames it has committed, so that it is known after a SIGKILL. */
export function accountPath(directory: string, generation: number): string {
  return `${directory}/sensor-${generation}.committed`;
}

export function tell(message: PartMessage): void {
  // A parent that was killed takes no word; the line's own end ('disconnect') says so and is acted on.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

/**
 * The line to the parent, there from the first moment: ends this process when its parent says so, or is gone. Then
 * there is nobody else to clean up.
 */
export class ParentLine {
  readonly #directory: string;
  #stop: () => Promise<unknown> = async () => undefined;
  #ending = false;

  constructor(directory: string) {
    this.#directory = directory;
    process.on('message', (message) => {
      if (message === STOP) void this.#end(false);
    });
    process.once('disconnect', () => void this.#end(true));
    // It may have died while this program was still being loaded.
    if (!process.connected) void this.#end(true);
    // Ctrl-C reaches every process of the terminal; the parent decides what it means.
    process.on('SIGINT', () => {});
  }

  /** @param stop lets go of everything and gives the account of what was done */
  async ready(transport: string, reason: string | undefined, stop: () => Promise<unknown>): Promise<void> {
    this.#stop = stop;
    if (this.#ending) await stop();
    else tell({ kind: 'ready', transport, reason });
  }

  async #end(orphaned: boolean): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    try {
      tell({ kind: 'farewell', account: await this.#stop() });
    } catch (error) {
      tell({ kind: 'failed', message: String(error) });
    }
    if (process.connected) process.disconnect();
    if (orphaned) {
      rmSync(this.#directory, { recursive: true, force: true });
      process.exit(); // whatever was being opened meanwhile has nobody to serve
    }
  }
}
