/** `pilotfish explain`: who is listed, who may be picked and who may not, and why. */

import { connect, type Excluded, type ExplainedCandidate, type Explanation } from '../../resolver/index.js';
import { printable } from '../../runtime/printable.js';
import { parseArguments } from '../arguments.js';
import { type Command, FAILED, OK } from '../command.js';
import { type Output, tableLines } from '../output.js';
import {
  JSON_FLAG,
  REGISTRY_FLAG,
  REGISTRY_HELP,
  registryUrls,
  serviceName,
  TIMEOUT_FLAG,
  timeoutMs,
} from '../registry-options.js';

export const command: Command = {
  help: `Tell why a pick of a service goes where it goes: who is listed, who may be picked, who may not and why.

Usage: pilotfish explain <service> [options]

${REGISTRY_HELP}; several times for several
  --timeout D     give up after this long (default 5s)
  --json          one JSON document

What a running caller found out about the endpoints only that caller knows: its own handle.explain() has it.

Examples:
  pilotfish explain orders
  pilotfish explain orders --json | jq '.excluded[].reason'

Exit code 1 when nothing can be picked or the registry does not answer.
`,
  run: async (args, { env, stdout, stop }) => {
    const options = { ...REGISTRY_FLAG, ...TIMEOUT_FLAG, ...JSON_FLAG };
    const { flags, positionals } = parseArguments(args, options, ['service']);
    const service = serviceName(positionals[0]);
    const limits = { timeoutMs: timeoutMs(flags), minEndpoints: 0, signal: stop };
    const discovery = await connect(registryUrls(flags, env));
    try {
      const handle = discovery.service(service);
      await handle.ready(limits);
      const explanation = handle.explain();
      if (flags.json === true) stdout.json(explanation);
      else print(explanation, stdout);
      return explanation.pick === undefined ? FAILED : OK;
    } finally {
      await discovery.close();
    }
  },
};

function print(explanation: Explanation, stdout: Output): void {
  const { service, state, policy, rule, candidates, excluded, why } = explanation;
  stdout.line(`${service} is ${state}; ${policy}: ${rule}`);
  for (const line of candidateLines(candidates)) stdout.line(line);
  for (const each of excluded) stdout.line(`  not ${excludedText(each)}`);
  stdout.line(`-> ${printable(why)}`);
}

function candidateLines(candidates: readonly ExplainedCandidate[]): readonly string[] {
  const rows = candidates.map(({ id, endpoint, weight, status, zone = '-', held, facts }) => [
    `  ${printable(id)}`,
    endpoint,
    `weight ${weight}`,
    held === true ? `${status}, held` : status,
    zone,
    Object.entries(facts)
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
  ]);
  return tableLines(rows);
}

function excludedText({ id, endpoint, reason, detail }: Excluded): string {
  const name = endpoint === undefined ? printable(id) : `${printable(id)} ${endpoint}`;
  return detail === undefined ? `${name}: ${reason}` : `${name}: ${reason} (${printable(detail)})`;
}
