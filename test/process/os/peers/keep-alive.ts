// Ends at once when its only watcher is unreferenced; argv[2] "ref" waits for its timer to close a referenced one.
import { createEventFd, Watcher } from 'tendon/os';

const watcher = Watcher.watch(createEventFd(), 'readable', () => {});
watcher.unref();
if (process.argv[2] === 'ref') {
  watcher.ref();
  setTimeout(() => {
    console.log('timer');
    watcher.close();
  }, 50).unref();
}
process.on('exit', () => {
  watcher.close(); // no turn of the loop follows: the end of the environment finds it closing
  console.log('exit');
});
