// Prints what each descriptor of this process is.
import { readdirSync, readlinkSync } from 'node:fs';

for (const fd of readdirSync('/proc/self/fd')) {
  try {
    console.log(readlinkSync(`/proc/self/fd/${fd}`));
  } catch {
    // the descriptor of the listing itself
  }
}
