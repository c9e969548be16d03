/** What `pilotfish watch` says: from an update of a supervised watch to lines, and from a line to text. Pure. */
import type { Instance } from '../registry/contract.js';
import type { Change } from '../registry/snapshot.js';
import type { WatchUpdate } from '../registry/supervised.js';
import { messageOf } from '../runtime/errors.js';
import { formatHostPort } from '../runtime/host-port.js';
import { printable } from '../runtime/printable.js';
import type { Output } from './output.js';

/** What one line tells. */
export type Line =
  | { readonly event: 'list' | 'fresh'; readonly instances: number }
  | { readonly event: 'stale'; readonly cause: string }
  | { readonly event: 'added' | 'removed' | 'changed'; readonly instance: Instance };

/** `last` is the update before. An outage is one `stale` line, however many attempts it takes to end it. */
export function linesFor(update: WatchUpdate, last: WatchUpdate['type'] | undefined): readonly Line[] {
  if (update.type === 'broken') {
    return last === 'broken' ? [] : [{ event: 'stale', cause: messageOf(update.error) }];
  }
  const instances = update.snapshot.instances.length;
  const head: readonly Line[] =
    last === undefined
      ? [{ event: 'list', instances }]
      : last === 'broken'
        ? [{ event: 'fresh', instances }]
        : [];
  return [...head, ...changeLines(update.change)];
}

function changeLines({ added, removed, updated }: Change): readonly Line[] {
  return [
    ...removed.map((instance) => ({ event: 'removed', instance }) as const),
    ...added.map((instance) => ({ event: 'added', instance }) as const),
    ...updated.map(({ after }) => ({ event: 'changed', instance: after }) as const),
  ];
}

/** One line, without the time. */
export function textOf(line: Line, paint: Output['paint']): string {
  switch (line.event) {
    case 'list':
      return paint.bold(`${count(line.instances)} now`);
    case 'fresh':
      return paint.green(`= the registry answers again, ${count(line.instances)}`);
    case 'stale':
      return paint.yellow(`! the registry does not answer: ${printable(line.cause)}`);
    case 'added':
      return paint.green(`+ ${described(line.instance)}`);
    case 'removed':
      return paint.red(`- ${printable(line.instance.id)}`);
    case 'changed':
      return paint.yellow(`~ ${described(line.instance)}`);
  }
}

function count(instances: number): string {
  return instances === 1 ? '1 instance' : `${instances} instances`;
}

function described({ id, endpoint, weight, status, zone, version, tags }: Instance): string {
  const extras = [
    `weight ${weight}`,
    status,
    ...(zone === undefined ? [] : [`zone ${zone}`]),
    ...(version === undefined ? [] : [`version ${version}`]),
    ...(tags.length === 0 ? [] : [`tags ${tags.join(',')}`]),
  ];
  return printable(`${id} ${formatHostPort(endpoint)} ${extras.join(', ')}`, 400);
}
