/**
 * The architecture as data: which folder may import which, and what may appear where.
 * A new arrow needs a decision record in `docs/adr/`.
 *
 * A unit is a folder whose `index.ts` is the only way in. A member of a family (`transport/shm`) is a unit of its own:
 * it may import its family's own files, never another member. The family may list its members; no loop may come of it.
 */

/** Folders whose sub-folders are units of their own. */
export const FAMILIES: readonly string[] = ['codec', 'transport'];

const LINKED = ['core', 'memory', 'envelope', 'codec', 'transport', 'protocol', 'qos', 'discovery'];

/** What a unit may import besides itself. `*`: any unit's index.ts. A member has its family's arrows and its own. */
export const ARROWS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  os: ['core'],
  memory: ['core'],
  ring: ['core', 'memory'],
  stream: ['core', 'os', 'memory'],
  sbe: ['core'],
  codec: ['core', 'memory'],
  envelope: ['core', 'memory'],
  qos: ['core', 'memory'],
  protocol: ['core', 'memory', 'codec', 'envelope', 'transport'],
  transport: ['core', 'os', 'memory'],
  'transport/shm': ['ring'],
  'transport/inproc': ['ring'], // docs/adr/0001-inproc-stands-on-a-ring.md
  // docs/adr/0010-stream-sockets-share-a-folder.md
  'transport/unix': ['transport/stream-socket'],
  'transport/tcp': ['transport/stream-socket'],
  'transport/aeron': ['stream'],
  discovery: ['core', 'os'],
  config: ['core', 'os', 'discovery'],
  pattern: LINKED,
  rpc: LINKED,
  bus: [...LINKED, 'config'],
  tensor: ['core', 'os', 'memory', 'sbe', 'stream', 'codec'],
  testing: [
    'core',
    'memory',
    'ring',
    'codec',
    'envelope',
    'transport',
    'protocol',
    'discovery',
    'pattern',
    'rpc',
  ],
  cli: ['*'],
  dashboard: ['*'],
  'index.ts': ['*'],
};

/** Parts of one unit that must not know each other. */
export const STRANGERS: readonly (readonly [string, string])[] = [
  ['stream/client', 'stream/driver'],
  ['tensor/client', 'tensor/driver'],
];

/** A third-party package and the one folder that wraps it. Tests beside the code may also use `TEST_PACKAGES`. */
export const ADAPTERS: Readonly<Record<string, string>> = {
  '@grpc/grpc-js': 'cli/bench',
  '@node-rs/crc32': 'codec',
  commander: 'cli',
  msgpackr: 'codec/msgpack',
  'node-gyp-build': 'os',
  zeromq: 'cli/bench',
};
export const TEST_PACKAGES: readonly string[] = ['fast-check'];

/** What may appear only in some places of `src/`; tests beside the code are free of these. */
export const PLACES: readonly {
  readonly what: string;
  readonly allowed: readonly string[];
  readonly why: string;
}[] = [
  {
    what: 'process.env',
    allowed: ['cli/', 'config/'],
    why: 'the library takes options; the environment belongs to the command line and to config',
  },
  { what: 'process.exit', allowed: ['cli/'], why: 'a library never ends its process' },
  {
    what: 'signal handler',
    allowed: ['cli/'],
    why: 'a library never installs a handler for the whole process',
  },
  {
    what: 'Math.random',
    allowed: [],
    why: 'randomness is an option or comes from node:crypto',
  },
  {
    what: 'Date.now',
    allowed: ['core/clock.ts', 'cli/'],
    why: 'time is a Clock, so that a test can own it',
  },
];

export const MAX_LINES = 400;
/** Said in the comment at the top of a file that is longer: `Over 400 lines because ...`. */
export const LENGTH_REASON = /over 400 lines because \S/i;

export const NAMELESS: readonly string[] = ['utils', 'util', 'helpers', 'helper', 'common', 'types', 'misc'];
