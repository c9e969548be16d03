/** `npm run bench`: measures what was asked for, one topic after the other, and prints each table when it is done. */
import { isPilotfishError, messageOf } from '../runtime/errors.js';
import { reportMachine } from './machine.js';
import { type BenchOptions, HELP, readOptions, type Topic } from './options.js';
import { progress } from './progress.js';

type Bench = (options: { readonly quick: boolean }) => Promise<void>;

const BENCHES: Readonly<Record<Topic, () => Promise<Bench>>> = {
  pick: async () => (await import('./pick.js')).benchPick,
  updates: async () => (await import('./updates.js')).benchUpdates,
  zookeeper: async () => (await import('./zookeeper.js')).benchZooKeeper,
  lists: async () => (await import('./lists.js')).benchLists,
  sidecar: async () => (await import('./sidecar.js')).benchSidecar,
  death: async () => (await import('./death.js')).benchDeath,
  http: async () => (await import('./http.js')).benchHttp,
};

async function run({ topics, quick, help }: BenchOptions): Promise<void> {
  if (help) {
    process.stdout.write(HELP);
    return;
  }
  reportMachine();
  for (const topic of topics) {
    progress(`measuring ${topic}`);
    const bench = await BENCHES[topic]();
    await bench({ quick });
  }
}

// An `exit` event is what ends the servers and processes that a topic started.
process.once('SIGINT', () => process.exit(130));
try {
  await run(readOptions(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`bench: ${messageOf(error)}\n`);
  process.exitCode = isPilotfishError(error, 'BAD_INPUT') ? 2 : 1;
}
