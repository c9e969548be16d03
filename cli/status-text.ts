/** What `pilotfish status` says: from the JSON of `/v1/status` to lines for a person. Pure. */

import { formatDuration } from '../runtime/duration.js';
import { printable } from '../runtime/printable.js';
import type { Order, Orders } from '../sidecar/operator/orders.js';
import type { ProbeStatus, RecentResult } from '../sidecar/prober.js';
import type { HoldStatus } from '../sidecar/protected-health.js';
import type { DrainStatus, RegistrationStatus, ServiceStatus } from '../sidecar/service.js';
import { type Output, tableLines } from './output.js';

export interface RegistryReport {
  readonly kind: string;
  readonly url: string;
  readonly state: string;
  /** Why it is not connected, where the backend can say. */
  readonly trouble?: string;
  /** What the server agreed to, where the backend has one. */
  readonly session?: { readonly timeoutMs: number };
}

export interface StatusReport {
  readonly registries: readonly RegistryReport[];
  readonly services: readonly ServiceStatus[];
}

export type Drain = Pick<DrainStatus, 'phase' | 'inFlight' | 'elapsedMs'>;

type Paint = Output['paint'];

/** How many results of a probe are shown. */
const HISTORY = 10;

/** @param wallNow milliseconds since the Unix epoch, for the ages. */
export function statusLines(report: StatusReport, wallNow: number, paint: Paint): readonly string[] {
  return [
    ...registryLines(report.registries),
    ...report.services.flatMap((service) => ['', ...serviceLines(service, wallNow, paint)]),
  ];
}

function registryLines(registries: readonly RegistryReport[]): readonly string[] {
  return table(
    registries.map(({ url, state, session, trouble }) => [
      url,
      state,
      session === undefined ? '' : `timeout ${formatDuration(session.timeoutMs)}`,
      trouble ?? '',
    ]),
  );
}

function serviceLines(service: ServiceStatus, wallNow: number, paint: Paint): readonly string[] {
  const { name, id, address, health, hold, operator, drain, registrations, reasons } = service;
  const head = `${clean(name)} ${clean(id)} ${clean(address)}`;
  const state = painterOf(health.state, paint)(clean(health.state));
  return [
    `${paint.bold(head)} ${state}`,
    ...(health.cause === undefined ? [] : [`  ${clean(health.cause)}`]),
    ...ordersText(operator, wallNow).map((order) => paint.yellow(`  ${clean(order)}`)),
    ...(operator.kept ? [] : [paint.yellow('  orders could not be written down: a restart forgets them')]),
    ...(hold === undefined ? [] : [paint.yellow(`  ${clean(holdText(hold))}`)]),
    ...(drain === undefined ? [] : [paint.yellow(`  ${clean(drainText(drain))}`)]),
    ...probeLines(health.probes, wallNow, paint),
    ...registrationLines(registrations),
    ...reasons.map((reason) => paint.red(`  not ready: ${clean(reason)}`)),
  ];
}

/** One sentence for each order. `wallNow` adds how long it still lasts. */
export function ordersText({ maintenance, forced, weight }: Orders, wallNow?: number): readonly string[] {
  return [
    ...(maintenance === undefined ? [] : [`maintenance: ${orderText(maintenance, wallNow)}`]),
    ...(forced === undefined ? [] : [`forced ${forced.to}: ${orderText(forced, wallNow)}`]),
    ...(weight === undefined ? [] : [`weight ${weight}`]),
  ];
}

function orderText({ reason, who, until }: Order, wallNow: number | undefined): string {
  const left = wallNow === undefined ? '' : ` (${span(until - wallNow)} left)`;
  const why = reason === '' ? 'no reason given' : reason;
  return `${why}, by ${who}, until ${new Date(until).toISOString()}${left}`;
}

/** Such as `held back for 12s more: flapping`. */
function holdText({ reason, endsInMs }: HoldStatus): string {
  const how = reason === 'flapping' ? 'held back' : 'held in place';
  return `${how} for ${span(endsInMs)} more: ${reason}`;
}

/** Such as `propagating for 1.2s, 3 requests in flight`. */
export function drainText({ phase, inFlight, elapsedMs }: Drain): string {
  const work = inFlight === null ? '' : `, ${inFlight} in flight`;
  return phase === 'drained'
    ? `drained in ${span(elapsedMs)}${work}`
    : `${phase} for ${span(elapsedMs)}${work}`;
}

/** The history comes first, as it is the one column whose marks have colours of their own. */
function probeLines(probes: readonly ProbeStatus[], wallNow: number, paint: Paint): readonly string[] {
  const cells = table(probes.map((probe) => probeCells(probe, wallNow)));
  return probes.map(({ recent }, i) => `  ${historyText(recent, paint)}  ${cells[i]}`);
}

function probeCells({ name, state, advisory, recent }: ProbeStatus, wallNow: number): readonly string[] {
  const last = recent.at(-1);
  const shown = advisory ? `${state} (advisory)` : state;
  if (last === undefined) return [name, shown, 'no result yet', '', ''];
  return [name, shown, `${span(wallNow - last.at)} ago`, span(last.durationMs), last.reason];
}

function historyText(recent: readonly RecentResult[], paint: Paint): string {
  const shown = recent.slice(-HISTORY);
  const marks = shown.map(({ status }) => painterOf(status, paint)(MARKS[status] ?? '?'));
  return ' '.repeat(HISTORY - shown.length) + marks.join('');
}

const MARKS: Readonly<Record<string, string>> = { passing: '✓', warning: '!', failing: '✗' };

function painterOf(state: string, paint: Paint): (text: string) => string {
  if (state === 'passing') return paint.green;
  return state === 'failing' ? paint.red : paint.yellow;
}

function registrationLines(registrations: readonly RegistrationStatus[]): readonly string[] {
  const rows = registrations.map(({ registry, state, registered, confirmedAgoMs, error }) => [
    registry,
    state,
    registered ? 'registered' : 'not registered',
    confirmedAgoMs === undefined ? '' : `confirmed ${span(confirmedAgoMs)} ago`,
    error ?? '',
  ]);
  return table(rows).map((line) => `  ${line}`);
}

function table(rows: readonly (readonly string[])[]): readonly string[] {
  return tableLines(rows.map((row) => row.map(clean)));
}

/** What a service, a registry or whoever else answers may hold anything. */
function clean(text: string): string {
  return printable(String(text), 300);
}

/** `840µs`, `1.2ms`, `3.4s`, `12m`, `4h`: two digits tell a person enough. Two clocks may differ: never below zero. */
export function span(ms: number): string {
  const positive = Math.max(0, ms);
  if (positive < 1) return `${Math.round(positive * 1000)}µs`;
  if (positive < 1000) return `${short(positive)}ms`;
  if (positive < 60_000) return `${short(positive / 1000)}s`;
  if (positive < 3_600_000) return `${Math.round(positive / 60_000)}m`;
  return `${short(positive / 3_600_000)}h`;
}

function short(value: number): string {
  return value < 10 ? value.toFixed(1).replace(/\.0$/, '') : `${Math.round(value)}`;
}
