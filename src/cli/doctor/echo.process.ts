import { Context } from '../../core/index.ts';
import { connect } from '../../index.ts';

/** The other end of the doctor's channel: sends back what comes, until its standard input ends. */
const [, , endpoint = '', runtimeDirectory = ''] = process.argv;
const context = new Context(runtimeDirectory === '' ? {} : { runtimeDirectory });
const connection = await connect(endpoint, { context });
process.stdin.resume().once('end', () => connection.destroy());
connection.consume((bytes, offset, length) => void connection.offer(bytes, offset, length));
connection.events.on('state', (state) => {
  if (state === 'closed') process.stdin.destroy();
});
