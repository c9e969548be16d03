/** `npm start`: the demo from start to end. Starts everything, shows it, and stops everything it started. */
import { connect, isPilotfishError, type ServiceHandle } from 'pilotfish';
import { Caller } from './caller.js';
import { Fleet } from './fleet.js';
import { type DemoOptions, HELP, readOptions } from './options.js';
import { idsIn, play, type Sighting, seconds } from './scenario.js';
import { plainView, terminalView, type View } from './view.js';

const IDS = ['orders-1', 'orders-2', 'orders-3'];
const VICTIM = 'orders-2';
const REQUESTS_PER_SECOND = 200;
const FRAME_MS = 250;
const FRAMES_PER_LINE = 8;
const FAILED = 1;
const BAD_INPUT = 2;

/** A name of its own, so that two demos on one registry do not meet. */
const SERVICE = `orders-demo-${process.pid}`;

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const live = process.stdout.isTTY && !options.once;
  const view = live ? terminalView(process.stdout) : plainView(process.stdout, FRAMES_PER_LINE);
  return runDemo(options, view, stopSignal());
}

/** Aborts at the first of the signals, the end of the terminal among them. Whoever is in a hurry asks twice. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (stop.signal.aborted) process.exit(FAILED);
    stop.abort(new Error(name));
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onSignal);
  process.on('SIGHUP', () => stop.abort(new Error('SIGHUP')));
  return stop.signal;
}

async function runDemo({ registry, once }: DemoOptions, view: View, signal: AbortSignal): Promise<number> {
  await using discovery = await connect(registry, { addresses: { allowLoopback: true } });
  const service = discovery.service(SERVICE);
  view.note(`starting ${IDS.length} services and their sidecars; they register in ${registry} as ${SERVICE}`);
  const fleet = await Fleet.start(SERVICE, registry, IDS);
  const caller = new Caller(service);
  const stopFrames = showFrames(view, fleet, caller, service);
  let sighting: Sighting | undefined;
  try {
    await service.ready({ signal, minEndpoints: IDS.length });
    caller.start(REQUESTS_PER_SECOND);
    sighting = await play(fleet, service, { ids: IDS, victim: VICTIM, note: view.note, signal });
    if (!once) await untilStopped(view, registry, signal);
  } catch (error) {
    if (!signal.aborted) view.note(`the demo failed: ${error instanceof Error ? error.message : error}`);
  } finally {
    stopFrames();
    await caller.stop();
    await fleet.stop();
  }
  return summary(view, sighting, caller);
}

function showFrames(view: View, fleet: Fleet, caller: Caller, service: ServiceHandle): () => void {
  const timer = setInterval(async () => {
    const members = await fleet.status();
    view.frame({
      title: `${SERVICE}: ${service.state}`,
      members,
      listed: idsIn(service),
      endpoints: caller.endpoints,
      totals: caller.totals,
    });
  }, FRAME_MS);
  return () => clearInterval(timer);
}

async function untilStopped(view: View, registry: string, signal: AbortSignal): Promise<void> {
  view.note(
    `still running; look from another terminal: npx pilotfish watch ${SERVICE} --registry '${registry}'`,
  );
  view.note('Ctrl-C stops everything');
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

/** One line, and the exit code: 0 only if the leave and the return were seen and no request failed. */
function summary(view: View, sighting: Sighting | undefined, { totals }: Caller): number {
  const left = sighting === undefined ? 'not seen' : seconds(sighting.leftAfterMs);
  const returned = sighting === undefined ? 'not seen' : seconds(sighting.returnedAfterMs);
  view.note(
    `instances ${IDS.length}, requests ${totals.requests}, failed ${totals.failed}, ` +
      `time to leave ${left}, time to return ${returned}`,
  );
  return sighting !== undefined && totals.failed === 0 && totals.requests > 0 ? 0 : FAILED;
}

/** What the command line says, or the URL, can never work. */
function isBadInput(error: unknown): boolean {
  return error instanceof TypeError || isPilotfishError(error, 'BAD_INPUT');
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`npm start: ${error instanceof Error ? error.message : error}\n`);
    process.exitCode = isBadInput(error) ? BAD_INPUT : FAILED;
  },
);
