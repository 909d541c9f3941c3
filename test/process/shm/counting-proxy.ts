import { setTimeout as sleep } from 'node:timers/promises';
import {
  closeFd,
  socketReceiveFds,
  socketSend,
  socketSendFds,
  unixAccept,
  unixConnect,
  unixListen,
} from 'tendon/os';

/**
 * Stands between the two ends of one channel and counts every byte of its life-line. It hands descriptors on, so the
 * ends share their memory as they would without it.
 */
export class CountingProxy implements AsyncDisposable {
  /** bytes that went over the life-line, both ways */
  bytes = 0;
  readonly #door: number;
  readonly #target: string;
  #running: Promise<void>;
  #stopped = false;

  constructor(path: string, target: string) {
    this.#door = unixListen(path);
    this.#target = target;
    this.#running = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#running;
    closeFd(this.#door);
  }

  async #run(): Promise<void> {
    let client = -1;
    while (client < 0 && !this.#stopped) {
      client = unixAccept(this.#door);
      if (client < 0) await sleep(1);
    }
    if (client < 0) return;
    const listener = unixConnect(this.#target);
    let open = true;
    while (open && !this.#stopped) {
      const up = await this.#forward(client, listener);
      const down = await this.#forward(listener, client);
      open = up >= 0 && down >= 0;
      if (up <= 0 && down <= 0) await sleep(1);
    }
    closeFd(client);
    closeFd(listener);
  }

  /** @returns the bytes handed on, or -1 at the end */
  async #forward(from: number, to: number): Promise<number> {
    const chunk = new Uint8Array(65_536);
    const fds: number[] = [];
    const count = socketReceiveFds(from, chunk, 0, chunk.length, fds);
    if (count === -1) return 0;
    if (count <= 0) return -1;
    this.bytes += count;
    let at = 0;
    while (at < count) {
      const sent =
        fds.length > 0
          ? socketSendFds(to, chunk, at, count - at, fds)
          : socketSend(to, chunk, at, count - at);
      if (sent === -1) await sleep(1);
      else if (sent < 0) return -1;
      else {
        for (const fd of fds.splice(0)) closeFd(fd);
        at += sent;
      }
    }
    return count;
  }
}
