import { HOST_COLUMNS, HostColumn } from './layout.ts';
import { ProcFile } from './proc-file.ts';

/** Samples the whole host from /proc into the columns of a HOST frame. A figure that the kernel does not give is NaN. */
export class HostSampler implements Disposable {
  readonly columns: Float64Array = new Float64Array(HOST_COLUMNS).fill(Number.NaN);
  readonly #stat = ProcFile.open('/proc/stat');
  readonly #memory = ProcFile.open('/proc/meminfo');
  readonly #network = ProcFile.open('/proc/net/dev');
  readonly #pressure = [
    { column: HostColumn.CPU_STALL_US, file: ProcFile.open('/proc/pressure/cpu') },
    { column: HostColumn.IO_STALL_US, file: ProcFile.open('/proc/pressure/io') },
    { column: HostColumn.MEMORY_STALL_US, file: ProcFile.open('/proc/pressure/memory') },
  ];

  sample(): void {
    if (this.#stat !== undefined) this.#sampleProcessors(this.#stat);
    if (this.#memory !== undefined) this.#sampleMemory(this.#memory);
    if (this.#network !== undefined) this.#sampleNetwork(this.#network);
    for (const { column, file } of this.#pressure) {
      if (file === undefined) continue;
      file.read();
      this.columns[column] = file.find('total=') ? file.number() : Number.NaN; // the first line: some tasks waited
    }
  }

  [Symbol.dispose](): void {
    for (const file of [this.#stat, this.#memory, this.#network]) file?.[Symbol.dispose]();
    for (const { file } of this.#pressure) file?.[Symbol.dispose]();
  }

  /** `cpu  user nice system idle iowait irq softirq steal guest guest_nice`; guests are in user and nice already. */
  #sampleProcessors(file: ProcFile): void {
    const { columns } = this;
    file.read();
    const running = file.number() + file.number() + file.number();
    const waiting = file.number() + file.number();
    const interrupting = file.number() + file.number() + file.number();
    columns[HostColumn.BUSY_TICKS] = running + interrupting;
    columns[HostColumn.TOTAL_TICKS] = running + interrupting + waiting;
    columns[HostColumn.INTERRUPTS] = file.find('\nintr ') ? file.number() : Number.NaN;
    columns[HostColumn.CONTEXT_SWITCHES] = file.find('\nctxt ') ? file.number() : Number.NaN;
    columns[HostColumn.RUNNING_TASKS] = file.find('\nprocs_running ') ? file.number() : Number.NaN;
  }

  #sampleMemory(file: ProcFile): void {
    file.read();
    this.columns[HostColumn.MEMORY_BYTES] = file.find('MemTotal:') ? file.number() * 1024 : Number.NaN;
    this.columns[HostColumn.AVAILABLE_BYTES] = file.find('MemAvailable:') ? file.number() * 1024 : Number.NaN;
  }

  /** Two lines of titles, then `name: received (8 figures, bytes first) sent (8 figures, bytes first)`. */
  #sampleNetwork(file: ProcFile): void {
    let received = 0;
    let sent = 0;
    let loopback = 0;
    file.read();
    file.find('\n');
    file.find('\n');
    for (let name = file.textBefore(':'); name !== undefined; name = file.textBefore(':')) {
      const inBytes = file.number();
      const outBytes = file.skip(7).number();
      if (name === 'lo') loopback += inBytes;
      else {
        received += inBytes;
        sent += outBytes;
      }
      file.find('\n');
    }
    this.columns[HostColumn.RECEIVED_BYTES] = received;
    this.columns[HostColumn.SENT_BYTES] = sent;
    this.columns[HostColumn.LOOPBACK_BYTES] = loopback;
  }
}
