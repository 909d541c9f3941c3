// A watcher whose callback throws: argv[2] "handled" catches it as an uncaught exception and goes on.
import { closeFd, createEventFd, Watcher } from 'tendon/os';

const fd = createEventFd(1);
let calls = 0;
const watcher = Watcher.watch(fd, 'readable', () => {
  calls++;
  if (calls === 1) throw new Error('thrown by a watcher');
  console.log('called again');
  watcher.close();
  closeFd(fd);
});
if (process.argv[2] === 'handled') {
  process.on('uncaughtException', (error) => console.log(`uncaught: ${error.message}`));
}
