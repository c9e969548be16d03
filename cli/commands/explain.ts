/** `pilotfish explain`: who is listed, who may be picked and who may not, and why. */

import type { Excluded, ExplainedCandidate, Explanation } from '../../resolver/index.js';
import { printable } from '../../runtime/printable.js';
import { type Command, FAILED, OK } from '../command.js';
import { type Output, tableLines } from '../output.js';
import { REGISTRY_HELP } from '../registry-options.js';
import { withHandle } from '../with-handle.js';

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
  run: (args, surroundings) =>
    withHandle(args, surroundings, (handle, asJson) => {
      const { stdout } = surroundings;
      const explanation = handle.explain();
      if (asJson) stdout.json(explanation);
      else print(explanation, stdout);
      return explanation.pick === undefined ? FAILED : OK;
    }),
};

function print(explanation: Explanation, stdout: Output): void {
  const { service, state, policy, rule, candidates, excluded, why } = explanation;
  stdout.line(`${service} is ${state}; ${policy}: ${rule}`);
  for (const line of candidateLines(candidates)) stdout.line(line);
  for (const each of excluded) stdout.line(`  not ${excludedText(each)}`);
  stdout.line(`-> ${printable(why)}`);
}

function candidateLines(candidates: readonly ExplainedCandidate[]): readonly string[] {
  const rows = candidates.map(({ id, endpoint, weight, status, zone = '-', held, invalid, facts }) => [
    `  ${printable(id)}`,
    endpoint,
    `weight ${weight}`,
    [status, held && 'held', invalid && 'as its entry was before'].filter(Boolean).join(', '),
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
