export { type Agent, type AgentHandle, Poller, type PollerOptions } from './agent.ts';
export type { Brand } from './brand.ts';
export { type Clock, type ClockTimer, SYSTEM_CLOCK } from './clock.ts';
export { Closer } from './closer.ts';
export { Context, type ContextOptions } from './context.ts';
export { type Crc32, crc32c } from './crc32c.ts';
export {
  abortedError,
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  type NoDetails,
  type SpecificErrorDetails,
  type SystemErrorDetails,
  TendonError,
  throwIfAborted,
} from './errors.ts';
export { type Logger, SILENT_LOGGER } from './logger.ts';
export { loadOptional } from './optional.ts';
export {
  durationOption,
  integerOption,
  oneOfOption,
  powerOfTwoOption,
  refuseUnknownOptions,
} from './options.ts';
export { BACK_PRESSURED, CLOSED } from './outcomes.ts';
export { TimerWheel, WheelTimer } from './timer-wheel.ts';
