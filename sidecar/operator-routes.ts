/**
 * What an operator may order over the admin server: drain, maintenance, forced up or down, weight, reload. Every route
 * takes a JSON object; `service` and `id` say for which instances, and an order for nobody is an error.
 */

import { isWeight, MAX_WEIGHT } from '../registry/instance.js';
import type { Clock } from '../runtime/clock.js';
import { formatDuration, parseDuration } from '../runtime/duration.js';
import { describe, type Problem } from '../runtime/expected.js';
import { type Result, rejected, valid } from '../runtime/result.js';
import { jsonBody, unknownMembers, wrongMembers } from './admin-body.js';
import {
  type AdminReply,
  type AdminRequest,
  type AdminRoute,
  json,
  problem,
  problems,
} from './admin-route.js';
import { keyOf } from './difference.js';
import type { DrainSettings } from './drain.js';
import { MAX_ORDER_MS, type Order, type Orders, textsOf } from './operator/orders.js';
import type { ReloadResult } from './reload.js';
import type { DrainStatus, Service } from './service.js';

export interface OperatorSources {
  readonly clock: Clock;
  /** The services of that name, or all; of that id, or all. */
  readonly find: (name?: string, id?: string) => readonly Service[];
  /** As configured now. */
  readonly drainSettings: () => DrainSettings;
  /** Undefined when there is no configuration to read again. */
  readonly reload: (() => Promise<ReloadResult>) | undefined;
}

const DEFAULT_ORDER = '4h';
const MIN_ORDER_MS = 1_000;

type Body = Readonly<Record<string, unknown>>;

interface Wanted {
  readonly services: readonly Service[];
  readonly body: Body;
}

/**
 * - `POST /v1/drain {service?, id?}`: 202 and how far each is; goes on by itself.
 * - `GET /v1/drain`: 200 and the same of all that drain.
 * - `POST /v1/undrain {service?, id?}`: 200 and the names, `<service>/<id>`.
 * - `POST /v1/maintenance {service, id?, on, reason?, who?, for?}`: 200.
 * - `POST /v1/force {service, id?, to: up | down | auto, reason?, who?, for?}`: 200.
 * - `POST /v1/weight {service, id?, weight: number | null}`: 200; null is as configured.
 * - `POST /v1/reload`: 200 with what changed, 422 with `errors`, 409 where there is nothing to reload, 503 when
 *   the sidecar is on its way out.
 */
export function operatorRoutes(sources: OperatorSources): readonly AdminRoute[] {
  const { find, drainSettings, reload } = sources;
  return [
    { method: 'GET', path: '/v1/drain', handle: () => json(200, drainsOf(find())) },
    post('/v1/drain', [], sources, ({ services }) => {
      for (const service of services) void service.drain('an operator asked for it', drainSettings());
      return json(202, drainsOf(services));
    }),
    post('/v1/undrain', [], sources, ({ services }) => {
      for (const service of services) service.undrain();
      return json(200, { services: services.map(({ plan }) => keyOf(plan)) });
    }),
    post('/v1/maintenance', ['service', 'on', ...ORDER_MEMBERS], sources, (wanted) =>
      maintenance(wanted, sources),
    ),
    post('/v1/force', ['service', 'to', ...ORDER_MEMBERS], sources, (wanted) => force(wanted, sources)),
    post('/v1/weight', ['service', 'weight'], sources, weigh),
    { method: 'POST', path: '/v1/reload', handle: () => reloaded(reload) },
  ];
}

const ORDER_MEMBERS = ['reason?', 'who?', 'for?'];

/** @param members Beside `service` and `id`; one without a question mark must be there. */
function post(
  path: string,
  members: readonly string[],
  { find }: OperatorSources,
  handle: (wanted: Wanted) => AdminReply | Promise<AdminReply>,
): AdminRoute {
  const answer = (request: AdminRequest): AdminReply | Promise<AdminReply> => {
    const body = jsonBody(request);
    if (!body.ok) return body.error;
    const found = bodyProblems(body.value, members);
    if (found.length > 0) return wrongMembers(found);
    const { service, id } = body.value as { service?: string; id?: string };
    const services = find(service, id);
    if (services.length > 0) return handle({ services, body: body.value });
    const known = find().map(({ name, id }) => `${name} (${id})`);
    return problem(404, `expected one of: ${known.join(', ')}, got ${describe(service)}, at service`);
  };
  return { method: 'POST', path, handle: answer };
}

function bodyProblems(body: Body, members: readonly string[]): readonly Problem[] {
  const known = [...new Set(['service', 'id', ...members.map((member) => member.replace('?', ''))])];
  const missing = members.filter((member) => !member.endsWith('?') && body[member] === undefined);
  const texts = ['service', 'id'].filter(
    (name) => body[name] !== undefined && typeof body[name] !== 'string',
  );
  return [
    ...unknownMembers(body, known),
    ...missing.map((path) => ({ path, expected: 'a value', got: 'nothing' })),
    ...texts.map((path) => ({ path, expected: 'text', got: describe(body[path]) })),
  ];
}

function drainsOf(services: readonly Service[]): { readonly services: readonly DrainStatus[] } {
  return { services: services.flatMap((service) => service.drainStatus() ?? []) };
}

async function maintenance({ services, body }: Wanted, { clock }: OperatorSources): Promise<AdminReply> {
  if (typeof body.on !== 'boolean') {
    return wrongMembers([{ path: 'on', expected: 'true or false', got: describe(body.on) }]);
  }
  if (!body.on) return order(services, { maintenance: undefined }, 'maintenance is over');
  const parsed = orderIn(body, clock);
  if (!parsed.ok) return wrongMembers(parsed.error);
  return order(services, { maintenance: parsed.value }, `maintenance by ${parsed.value.who}`);
}

async function force({ services, body }: Wanted, { clock }: OperatorSources): Promise<AdminReply> {
  const { to } = body;
  if (to === 'auto') return order(services, { forced: undefined }, 'forced no more');
  if (to !== 'up' && to !== 'down') {
    return wrongMembers([{ path: 'to', expected: 'one of: up, down, auto', got: describe(to) }]);
  }
  const parsed = orderIn(body, clock);
  if (!parsed.ok) return wrongMembers(parsed.error);
  return order(services, { forced: { ...parsed.value, to } }, `forced ${to} by ${parsed.value.who}`);
}

async function weigh({ services, body: { weight } }: Wanted): Promise<AdminReply> {
  if (weight !== null && !isWeight(weight)) {
    const expected = `a number from 0 to ${MAX_WEIGHT}, or null for the configured one`;
    return wrongMembers([{ path: 'weight', expected, got: describe(weight) }]);
  }
  return order(services, { weight: weight ?? undefined }, 'an operator set the weight');
}

async function order(
  services: readonly Service[],
  changes: Partial<Orders>,
  cause: string,
): Promise<AdminReply> {
  await Promise.all(services.map(({ orders }) => orders.change(changes, cause)));
  return json(200, {
    services: services.map(({ name, id, orders }) => ({
      service: name,
      id,
      operator: { ...orders.orders, kept: orders.isKept },
    })),
  });
}

function orderIn(body: Body, clock: Clock): Result<Order, readonly Problem[]> {
  const { reason = '', who = 'somebody', for: lasts = DEFAULT_ORDER } = body;
  const ms = typeof lasts === 'string' ? parseDuration(lasts) : undefined;
  const problems: Problem[] = [];
  if (typeof reason !== 'string') problems.push({ path: 'reason', expected: 'text', got: describe(reason) });
  if (typeof who !== 'string') problems.push({ path: 'who', expected: 'text', got: describe(who) });
  if (ms === undefined || ms < MIN_ORDER_MS || ms > MAX_ORDER_MS) {
    const expected = `a duration from ${formatDuration(MIN_ORDER_MS)} to ${formatDuration(MAX_ORDER_MS)}`;
    problems.push({ path: 'for', expected, got: describe(lasts) });
  }
  if (problems.length > 0) return rejected(problems);
  const since = clock.wallNow();
  return valid({ ...textsOf(reason as string, who as string), since, until: since + (ms as number) });
}

async function reloaded(reload: OperatorSources['reload']): Promise<AdminReply> {
  if (reload === undefined) return problem(409, 'expected a sidecar that can read its configuration again');
  const result = await reload();
  if ('refused' in result) return problem(503, result.refused);
  return 'errors' in result ? problems(422, result.errors) : json(200, result);
}
