/** `pilotfish ls`: what is in the registry now. */
import type { Instance, RegistryReader, Snapshot } from '../../registry/contract.js';
import { formatHostPort } from '../../runtime/host-port.js';
import { printable } from '../../runtime/printable.js';
import { parseArguments } from '../arguments.js';
import { type Command, type ExitCode, FAILED, OK, type Surroundings } from '../command.js';
import { type Output, tableLines } from '../output.js';
import {
  JSON_FLAG,
  oneRegistryUrl,
  REGISTRY_FLAG,
  REGISTRY_HELP,
  readInTime,
  readList,
  serviceName,
  TIMEOUT_FLAG,
  withRegistry,
} from '../registry-options.js';

/** How many services are counted at the same time. */
const PARALLEL = 8;

export const command: Command = {
  help: `List the services and how many instances each has, or the instances of one service.

Usage: pilotfish ls [service] [options]

${REGISTRY_HELP}
  --timeout D     give up after this long (default 5s)
  --json          one JSON document

Examples:
  pilotfish ls
  pilotfish ls orders --registry zookeeper://127.0.0.1:2181
  pilotfish ls orders --json

Exit code 1 when the service has no instance or the registry does not answer.
`,
  run: async (args, surroundings) => {
    const { flags, positionals } = parseArguments(args, { ...REGISTRY_FLAG, ...TIMEOUT_FLAG, ...JSON_FLAG }, [
      '[service]',
    ]);
    const url = oneRegistryUrl(flags, surroundings.env);
    const service = positionals[0] === undefined ? undefined : serviceName(positionals[0]);
    const asJson = flags.json === true;
    return withRegistry(url, (registry) =>
      readInTime(flags, registry, surroundings.stop, async (signal) =>
        service === undefined
          ? showServices(registry, await countEach(registry, signal), asJson, surroundings)
          : showInstances(registry, await readList(registry, service, signal), asJson, surroundings),
      ),
    );
  },
};

interface ServiceCount {
  readonly name: string;
  readonly instances: number;
}

async function countEach(registry: RegistryReader, signal: AbortSignal): Promise<readonly ServiceCount[]> {
  const names = await registry.services({ signal });
  const counts: ServiceCount[] = [];
  const waiting = [...names];
  const worker = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      counts.push({ name, instances: (await readList(registry, name, signal)).instances.length });
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return counts.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
}

function showServices(
  registry: RegistryReader,
  services: readonly ServiceCount[],
  asJson: boolean,
  { stdout, stderr }: Surroundings,
): ExitCode {
  if (asJson) stdout.json({ registry: registry.url, services });
  else if (services.length === 0) stderr.line(`no services in ${registry.url}`);
  else
    showTable(
      stdout,
      ['SERVICE', 'INSTANCES'],
      services.map(({ name, instances }) => [name, `${instances}`]),
    );
  return OK;
}

function showInstances(
  registry: RegistryReader,
  snapshot: Snapshot,
  asJson: boolean,
  { stdout, stderr }: Surroundings,
): ExitCode {
  const { service, instances, rejected } = snapshot;
  if (asJson) stdout.json({ registry: registry.url, ...snapshot });
  else if (instances.length > 0) showTable(stdout, COLUMNS, instances.map(cellsOf));
  for (const { entry, reason } of asJson ? [] : rejected) {
    stderr.line(`skipped the entry ${printable(entry)}: ${printable(reason)}`);
  }
  if (instances.length > 0) return OK;
  stderr.line(`no instance of ${service} in ${registry.url}`);
  return FAILED;
}

const COLUMNS = ['ID', 'ADDRESS', 'WEIGHT', 'STATUS', 'ZONE', 'VERSION', 'TAGS', 'NOTE'];

function cellsOf({ id, endpoint, weight, status, zone, version, tags, note }: Instance): readonly string[] {
  const optional = [zone, version, tags.length === 0 ? undefined : tags.join(','), note];
  const cells = [id, formatHostPort(endpoint), `${weight}`, status, ...optional.map((cell) => cell ?? '-')];
  return cells.map((cell) => printable(cell, 64));
}

function showTable(
  { line, paint }: Output,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const [first = '', ...others] = tableLines([head, ...rows]);
  line(paint.bold(first));
  for (const other of others) line(other);
}
