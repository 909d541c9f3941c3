/** What the test and its peers tell each other over the channel of `fork`. */

export type Order = 'pause' | 'resume' | 'count' | 'collect' | 'finish' | 'end-broadcasts' | 'stop';

export interface Endpoints {
  readonly frames: string;
  readonly unix: string;
  readonly tcp: string;
  readonly calls: string;
  readonly waiting: string;
  readonly dropping: string;
  readonly echo: string;
}

/** What a peer holds. */
export interface Holding {
  readonly heapUsed: number;
  /** buffers outside the heap */
  readonly external: number;
  readonly rss: number;
}

export interface ServerSample extends Holding {
  readonly connections: number;
  readonly agents: number;
  readonly activeHandlers: number;
  readonly frames: number;
  readonly calls: number;
  readonly broadcasts: number;
  readonly switches: number;
  readonly dropped: number;
}

/** How a numbered connection ended, as the server saw it. */
export interface ConnectionEnd {
  readonly name: string;
  readonly received: number;
  /** its last frame came */
  readonly complete: boolean;
  readonly reason: string | undefined;
}

/** What a client did, counted over its life. */
export interface Deeds {
  frames: number;
  calls: number;
  connections: number;
  switches: number;
  /** numbers that a broadcast skipped for this reader */
  missed: number;
}

export type Saying =
  | { readonly say: 'ready' }
  | { readonly say: 'listening'; readonly endpoints: Endpoints }
  | { readonly say: 'paused'; readonly holding: Holding }
  | { readonly say: 'sample'; readonly sample: ServerSample }
  | { readonly say: 'ended'; readonly end: ConnectionEnd }
  | { readonly say: 'finishing' }
  | { readonly say: 'done'; readonly deeds: Deeds }
  | { readonly say: 'fault'; readonly text: string };

/** @param collect first; what a finalizer would free counts as held otherwise */
export function holding(collect: boolean): Holding {
  if (collect) {
    globalThis.gc?.();
    globalThis.gc?.(); // finalizers of the first free what only they held
  }
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
  return { heapUsed, external: Math.max(external, arrayBuffers), rss };
}

export function say(saying: Saying): void {
  if (process.connected) process.send?.(saying, undefined, undefined, () => {});
}

export function fault(error: unknown): void {
  say({ say: 'fault', text: error instanceof Error ? describe(error) : String(error) });
}

function describe(error: Error): string {
  const cause = error.cause instanceof Error ? `\n  because: ${describe(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
