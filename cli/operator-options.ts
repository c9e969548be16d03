/** What the commands that give an order to a sidecar have in common: which instance, why, by whom, for how long. */
import { userInfo } from 'node:os';
import { isName, NAME_RULE } from '../registry/instance.js';
import { parseDuration } from '../runtime/duration.js';
import { describe, reject } from '../runtime/expected.js';
import { printable } from '../runtime/printable.js';
import type { Flags } from '../sidecar/config/overrides.js';
import type { Orders } from '../sidecar/operator/orders.js';
import { ADMIN_FLAGS, withSidecar } from './admin-client.js';
import type { FlagOptions } from './arguments.js';
import { type Environment, type ExitCode, OK, type Surroundings } from './command.js';
import { serviceName } from './registry-options.js';
import { ordersText } from './status-text.js';

export const INSTANCE_FLAGS = { id: { type: 'string' }, ...ADMIN_FLAGS } as const satisfies FlagOptions;

export const ORDER_FLAGS = {
  reason: { type: 'string' },
  who: { type: 'string' },
  for: { type: 'string' },
  ...INSTANCE_FLAGS,
} as const satisfies FlagOptions;

export const ID_HELP = `  --id ID                  one instance (default every instance of the service in this sidecar)`;

export const ORDER_HELP = `  --reason TEXT            why, for everybody who looks
  --who NAME               by whom (default the user name)
  --for D                  when it ends by itself (default 4h)
${ID_HELP}`;

/** The members that name an instance. An empty service is every service. */
export function instanceIn(flags: Flags, service: string | undefined): object {
  return {
    ...(service !== undefined && { service: serviceName(service) }),
    ...(typeof flags.id === 'string' && { id: instanceId(flags.id) }),
  };
}

/** The members that say why, by whom and for how long. */
export function orderIn(flags: Flags, env: Environment): object {
  return {
    reason: typeof flags.reason === 'string' ? flags.reason : '',
    who: typeof flags.who === 'string' ? flags.who : userName(env),
    for: lasting(typeof flags.for === 'string' ? flags.for : '4h'),
  };
}

interface OrderedInstance {
  readonly service: string;
  readonly id: string;
  readonly operator: Orders;
}

/** Sends the order, and shows what is in force then, one line for each instance. */
export async function giveOrder(
  path: string,
  body: object,
  flags: Flags,
  surroundings: Surroundings,
): Promise<ExitCode> {
  const answer = (await withSidecar(flags, surroundings, (ask) => ask({ method: 'POST', path, body }))) as {
    readonly services: readonly OrderedInstance[];
  };
  if (flags.json === true) surroundings.stdout.json(answer);
  else for (const each of answer.services) surroundings.stdout.line(lineOf(each));
  return OK;
}

function lineOf({ service, id, operator }: OrderedInstance): string {
  const inForce = ordersText(operator);
  return printable(`${service} ${id}: ${inForce.length === 0 ? 'no orders' : inForce.join('; ')}`, 1000);
}

function instanceId(text: string): string {
  return isName(text) ? text : reject('--id', NAME_RULE, describe(text));
}

function lasting(text: string): string {
  const isRight = (parseDuration(text) ?? 0) > 0;
  return isRight ? text : reject('--for', 'a duration such as "30m" or "4h"', describe(text));
}

/** Behind sudo the person, not root. A user without an entry in the system's list has a number only. */
function userName({ SUDO_USER }: Environment): string {
  if (SUDO_USER) return SUDO_USER;
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
