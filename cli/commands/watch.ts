/** `pilotfish watch`: a service's list as it changes, and whether it is still confirmed. */
import type { RegistryReader } from '../../registry/contract.js';
import { supervise, type WatchUpdate } from '../../registry/supervised.js';
import { aborted } from '../../runtime/abort.js';
import { systemClock } from '../../runtime/clock.js';
import { systemRandom } from '../../runtime/random.js';
import { parseArguments } from '../arguments.js';
import { type Command, OK, type Surroundings } from '../command.js';
import type { Output } from '../output.js';
import {
  JSON_FLAG,
  oneRegistryUrl,
  REGISTRY_FLAG,
  REGISTRY_HELP,
  serviceName,
  standingOf,
  withRegistry,
} from '../registry-options.js';
import { type Line, linesFor, textOf } from '../watch-lines.js';

/** A registry that has shown no list after this long is said to be silent. */
const SILENCE_MS = 2_000;

export const command: Command = {
  help: `Show the instances of a service at once, then each change as it happens, until Ctrl-C.

Usage: pilotfish watch <service> [options]

${REGISTRY_HELP}
  --json          one JSON object on each line

  + added   - removed   ~ changed   ! the registry does not answer, the last list is kept   = it answers again

Examples:
  pilotfish watch orders
  pilotfish watch orders --registry consul://127.0.0.1:8500 --json
`,
  run: async (args, surroundings) => {
    const { flags, positionals } = parseArguments(args, { ...REGISTRY_FLAG, ...JSON_FLAG }, ['service']);
    const service = serviceName(positionals[0]);
    const show = flags.json === true ? showJson : showText;
    const url = oneRegistryUrl(flags, surroundings.env);
    await withRegistry(url, (registry) => follow(registry, service, show, surroundings));
    return OK;
  },
};

type Show = (line: Line, at: string, stdout: Output) => void;

async function follow(
  registry: RegistryReader,
  service: string,
  show: Show,
  { stdout, stop }: Surroundings,
): Promise<void> {
  let last: WatchUpdate['type'] | undefined;
  const tell = (lines: readonly Line[]): void => {
    const at = new Date(systemClock.wallNow()).toISOString();
    for (const line of lines) show(line, at, stdout);
  };
  const watch = supervise(registry, service, { clock: systemClock, random: systemRandom() });
  const isNew = (): boolean => watch.snapshot === undefined;
  const cancelSilence = systemClock.after(SILENCE_MS, () => {
    if (last === undefined && isNew())
      tell([{ event: 'stale', cause: `no list yet, ${standingOf(registry)}` }]);
  });
  const unsubscribe = watch.onUpdate((update) => {
    tell(linesFor(update, last));
    last = update.type;
  });
  await aborted(stop);
  unsubscribe();
  cancelSilence();
  await watch.close();
}

function showJson(line: Line, at: string, stdout: Output): void {
  stdout.write(`${JSON.stringify({ at, ...line })}\n`);
}

function showText(line: Line, at: string, { line: print, paint }: Output): void {
  print(`${paint.dim(at)} ${textOf(line, paint)}`);
}
