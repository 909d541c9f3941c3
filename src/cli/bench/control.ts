import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * How the harness speaks to its actors: JSON lines over a Unix socket of its own, so that the road under
 * test carries nothing but the test, and so that actors of any kind (children, grandchildren, worker
 * threads) report in the same way. An actor whose line ends goes away by itself.
 */
export type ControlMessage =
  | { readonly type: 'hello'; readonly id: string; readonly pid: number }
  | {
      readonly type: 'request';
      readonly call: number;
      readonly operation: string;
      readonly argument: unknown;
    }
  | { readonly type: 'answer'; readonly call: number; readonly value: unknown }
  | { readonly type: 'failure'; readonly call: number; readonly error: string }
  | { readonly type: 'listening' };

/** One end of a control line. */
export class ControlLine {
  readonly #socket: Socket;
  readonly ended: Promise<void>;

  constructor(socket: Socket, onMessage: (message: ControlMessage) => void) {
    this.#socket = socket;
    let rest = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onMessage(JSON.parse(line) as ControlMessage); // both ends are this file
    });
    socket.on('error', () => {}); // 'close' follows, and says all that matters here
    this.ended = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  static async dial(path: string, onMessage: (message: ControlMessage) => void): Promise<ControlLine> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new ControlLine(socket, onMessage);
  }

  send(message: ControlMessage): void {
    this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** The harness's view of one actor. */
export class ActorHandle {
  readonly pid: number;
  readonly ended: Promise<void>;
  readonly listening: Promise<void>;
  readonly #line: ControlLine;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #isListening: () => void = () => {};
  #calls = 0;

  constructor(line: ControlLine, pid: number, id: string) {
    this.#line = line;
    this.pid = pid;
    this.ended = line.ended;
    this.listening = new Promise((resolve) => {
      this.#isListening = resolve;
    });
    void line.ended.then(() => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`actor ${id} went away`));
      this.#waiting.clear();
    });
  }

  handle(message: ControlMessage): void {
    if (message.type === 'listening') this.#isListening();
    if (message.type !== 'answer' && message.type !== 'failure') return;
    const waiter = this.#waiting.get(message.call);
    this.#waiting.delete(message.call);
    if (message.type === 'answer') waiter?.resolve(message.value);
    else waiter?.reject(new Error(message.error));
  }

  request<T>(operation: string, argument: unknown): Promise<T> {
    const call = ++this.#calls;
    return new Promise<T>((resolve, reject) => {
      // The answer's type is what `actor.ts` returns for this operation.
      this.#waiting.set(call, { resolve: resolve as (value: unknown) => void, reject });
      this.#line.send({ type: 'request', call, operation, argument });
    });
  }

  close(): void {
    this.#line.close();
  }
}

/** Where actors report. */
export class ControlServer implements AsyncDisposable {
  readonly path: string;
  readonly #server: Server;
  readonly #handles = new Set<ActorHandle>();
  readonly #expected = new Map<string, (handle: ActorHandle) => void>();

  private constructor(path: string, server: Server) {
    this.path = path;
    this.#server = server;
    server.on('connection', (socket) => this.#admit(socket));
  }

  static async open(path: string): Promise<ControlServer> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    return new ControlServer(path, server);
  }

  /** Resolves when the actor with this id has reported. */
  expect(id: string): Promise<ActorHandle> {
    return new Promise((resolve) => this.#expected.set(id, resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of this.#handles) handle.close();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #admit(socket: Socket): void {
    let handle: ActorHandle | undefined;
    const line = new ControlLine(socket, (message) => {
      if (message.type !== 'hello') {
        handle?.handle(message);
        return;
      }
      const admitted = new ActorHandle(line, message.pid, message.id);
      handle = admitted;
      this.#handles.add(admitted);
      void admitted.ended.then(() => this.#handles.delete(admitted));
      this.#expected.get(message.id)?.(admitted);
      this.#expected.delete(message.id);
    });
  }
}
