/**
 * What the sensor sends: two kinds of frame, little-endian, with a header of 16 bytes.
 *
 *    0        1         2             4                        8                              16
 *   +--------+---------+-------------+------------------------+------------------------------+
 *   | kind   | version | generation  | sequence (u32)         | taken, ns, monotonic (f64)   |
 *   | u8     | u8      | u16         |                        |                              |
 *   +--------+---------+-------------+------------------------+------------------------------+
 *
 * `generation` counts the starts of the sensor. `sequence` counts its frames from 0 over both kinds, those it had to
 * drop included, so that a gap is a drop. `taken` is CLOCK_MONOTONIC, the same for all processes of the host.
 *
 *   HOST, 120 bytes: 13 columns of f64 from 16 on, in the order of `HostColumn`; NaN where the kernel has no such figure.
 *
 *   PROCESS, 72 bytes:
 *   16       20        24                  32                  40                 48      49      50        65   72
 *   +--------+---------+-------------------+-------------------+------------------+-------+-------+----------+----+
 *   | pid    | threads | cpu ticks (f64)   | memory, bytes     | started, ticks   | state | name  | name     | 0  |
 *   | u32    | u32     |                   | resident (f64)    | after boot (f64) | u8    | bytes | 15 bytes |    |
 *   +--------+---------+-------------------+-------------------+------------------+-------+-------+----------+----+
 */
export const LAYOUT_VERSION = 1;
export const HEADER_BYTES = 16;

export const FrameKind = { HOST: 1, PROCESS: 2 } as const;

export const KIND = 0;
export const VERSION = 1;
export const GENERATION = 2;
export const SEQUENCE = 4;
export const TAKEN_NS = 8;

/** Columns of a HOST frame. Ticks are of 10 ms and summed over all processors; all but memory and tasks only grow. */
export const HostColumn = {
  BUSY_TICKS: 0,
  TOTAL_TICKS: 1,
  CONTEXT_SWITCHES: 2,
  INTERRUPTS: 3,
  /** tasks that run or want to */
  RUNNING_TASKS: 4,
  MEMORY_BYTES: 5,
  AVAILABLE_BYTES: 6,
  /** over all interfaces but the loopback */
  RECEIVED_BYTES: 7,
  SENT_BYTES: 8,
  LOOPBACK_BYTES: 9,
  /** how long some task waited for a processor, for a disk, for memory, in us (/proc/pressure) */
  CPU_STALL_US: 10,
  IO_STALL_US: 11,
  MEMORY_STALL_US: 12,
} as const;
export const HOST_COLUMNS = 13;
export const HOST_BYTES = HEADER_BYTES + HOST_COLUMNS * 8;

export const PID = 16;
export const THREADS = 20;
export const CPU_TICKS = 24;
export const RESIDENT_BYTES = 32;
export const STARTED_TICKS = 40;
export const STATE = 48;
export const NAME_BYTES = 49;
export const NAME = 50;
/** the kernel keeps 15 bytes of a command's name */
export const MAX_NAME_BYTES = 15;
export const PROCESS_BYTES = 72;

/** USER_HZ: ticks a second in what /proc tells, fixed by the kernel's interface whatever its own timer does. */
export const TICKS_PER_SECOND = 100;
