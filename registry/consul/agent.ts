/**
 * The local agent, which owns the entries registered through it: writes by the npm package `consul`, reads by our
 * own client. Every call is one attempt with its own deadline; see `retry.ts` for the few that are tried again.
 */
import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import Consul from 'consul';
import { withDeadline } from '../../runtime/abort.js';
import { formatDuration } from '../../runtime/duration.js';
import { isPilotfishError, messageOf, PilotfishError } from '../../runtime/errors.js';
import { fieldsOf } from '../../runtime/fields.js';
import { formatHostPort } from '../../runtime/host-port.js';
import { checksById } from './decode.js';
import { type AgentEntry, META } from './entry.js';
import { type ConsulHttp, type HttpParts, refusal } from './http.js';
import { Lanes } from './lanes.js';
import type { Check, CheckHealth } from './maintenance.js';
import { agentFor } from './tls.js';

/** An answer of the local agent takes milliseconds; after this it is taken for dead. */
const CALL_DEADLINE_MS = 5000;

/** Heartbeats have lanes of their own, so that a thousand registrations cannot make them late. */
const WRITE_LANES = 8;
const BEAT_LANES = 8;

/** For ever: a maintenance check has to be of some type, and that of a TTL stays critical when the time is over. */
const MAINTENANCE_TTL = '87600h';

/** The health of a passing, an unknown, a warning and a critical entry. */
const HEALTH_STATUSES: readonly number[] = [200, 404, 429, 503];

export interface AgentParts extends HttpParts {
  readonly http: ConsulHttp;
}

export interface CallOptions {
  readonly signal: AbortSignal | undefined;
  /** Default 5000. */
  readonly deadlineMs?: number;
}

/** An entry as the agent has it. */
export interface FoundEntry {
  /** The `Service` object. */
  readonly service: Readonly<Record<string, unknown>>;
  /** The handle that wrote it; undefined when it is none of ours. */
  readonly owner: string | undefined;
  /** By their ids; those of its node are among them. */
  readonly checks: ReadonlyMap<unknown, Check>;
}

export class ConsulAgent {
  readonly #parts: AgentParts;
  readonly #consul: Consul;
  readonly #writes = new Lanes(WRITE_LANES);
  readonly #beats = new Lanes(BEAT_LANES);

  constructor(parts: AgentParts) {
    this.#parts = parts;
    this.#consul = connect(parts);
  }

  /**
   * Writes the entry, its TTL check and, with a reason, its maintenance check, all in one step. An existing TTL check
   * keeps its health, whatever the entry says: see `report`. A maintenance check for which the entry has no reason stays.
   *
   * Consul's own call for maintenance would leave a moment between the two and cannot change a reason.
   */
  register(entry: AgentEntry, options: CallOptions): Promise<void> {
    const { id, name, address, port, meta, weights } = entry;
    return this.#call(this.#writes, `registering ${id}`, options, (ctx) =>
      this.#consul.agent.service.register({
        id,
        name,
        address,
        port,
        meta,
        tags: [...entry.tags],
        checks: [this.#ttlCheck(entry), ...maintenanceCheck(entry)],
        ...{ ctx: Object.assign(ctx, { weights }) },
      }),
    );
  }

  /** Ends the maintenance of an entry; without one nothing happens. */
  endMaintenance(id: string, options: CallOptions): Promise<void> {
    return this.#call(this.#writes, `ending the maintenance of ${id}`, options, (ctx) =>
      this.#consul.agent.service.maintenance({ id, enable: false, ...{ ctx } }),
    );
  }

  /** One heartbeat. False when the agent does not know the check. */
  async report(checkId: string, health: CheckHealth, options: CallOptions): Promise<boolean> {
    const { check } = this.#consul.agent;
    const args = (ctx: EventEmitter) => ({ id: checkId, ...{ ctx } });
    return this.#call(this.#beats, `heartbeat of ${checkId}`, options, async (ctx) => {
      try {
        await (health === 'passing' ? check.pass(args(ctx)) : check.warn(args(ctx)));
        return true;
      } catch (error) {
        if (isUnknown(error)) return false;
        throw error;
      }
    });
  }

  /** Removes the entry and its checks. One that does not exist is no error. */
  async deregister(id: string, options: CallOptions): Promise<void> {
    await this.#call(this.#writes, `deregistering ${id}`, options, async (ctx) => {
      try {
        await this.#consul.agent.service.deregister({ id, ...{ ctx } });
      } catch (error) {
        if (!isUnknown(error)) throw error;
      }
    });
  }

  /** Removes the entry as far as that owner wrote it. */
  async deregisterOwned(id: string, owner: string, options: CallOptions): Promise<void> {
    const found = await this.find(id, options);
    if (found?.owner === owner) await this.deregister(id, options);
  }

  /** The entry with its checks, in one small answer. */
  async find(
    id: string,
    { signal, deadlineMs = CALL_DEADLINE_MS }: CallOptions,
  ): Promise<FoundEntry | undefined> {
    const path = `/v1/agent/health/service/id/${id}`;
    const { json } = await this.#parts.http.get(path, { statuses: HEALTH_STATUSES, deadlineMs, signal });
    const { AggregatedStatus, Service, Checks } = fieldsOf(json);
    if (AggregatedStatus === undefined)
      throw new PilotfishError('UNAVAILABLE', `expected health, at GET ${path}`);
    return Service === null || Service === undefined ? undefined : foundEntry(fieldsOf(Service), Checks);
  }

  close(): void {
    this.#consul.destroy();
  }

  #ttlCheck({ id, checkId, health }: AgentEntry) {
    const { ttlMs, deregisterAfterMs } = this.#parts.settings;
    return {
      ...ttlOf(formatDuration(ttlMs)),
      name: `pilotfish heartbeat of ${id}`,
      checkid: checkId,
      status: health,
      deregistercriticalserviceafter: formatDuration(deregisterAfterMs),
    };
  }

  /** The package knows no AbortSignal: it cancels when an emitter, handed along as `ctx`, says so. */
  #call<T>(lanes: Lanes, what: string, options: CallOptions, work: Work<T>): Promise<T> {
    const { clock, state, token } = this.#parts;
    const { signal, deadlineMs = CALL_DEADLINE_MS } = options;
    const attempt = (text: string | undefined, link: AbortSignal): Promise<T> => {
      const ctx = Object.assign(new EventEmitter(), { token: text });
      link.addEventListener('abort', () => ctx.emit('cancel'), { once: true });
      return work(ctx).catch((error) => {
        throw plainError(error, what);
      });
    };
    return lanes.run(signal, () =>
      state.track(signal, () =>
        token.use((text) => withDeadline(clock, deadlineMs, what, signal, (link) => attempt(text, link))),
      ),
    );
  }
}

function maintenanceCheck({ maintenanceId, reason }: AgentEntry) {
  if (reason === undefined) return [];
  const name = 'Service Maintenance Mode';
  return [{ ...ttlOf(MAINTENANCE_TTL), name, checkid: maintenanceId, notes: reason, status: 'critical' }];
}

/** The timeout is demanded by the package's types and not sent for a TTL check. */
function ttlOf(ttl: string): { readonly ttl: string; readonly timeout: string } {
  return { ttl, timeout: ttl };
}

type Work<T> = (ctx: EventEmitter) => Promise<T>;

function foundEntry(service: FoundEntry['service'], checks: unknown): FoundEntry {
  const owner = fieldsOf(service.Meta)[META.owner];
  return {
    service,
    owner: typeof owner === 'string' ? owner : undefined,
    checks: checksById(checks),
  };
}

/** What the package's types leave out of its base class: a hook that sees each request before it is made. */
interface Extensible {
  _ext(event: 'onCreate', extension: (request: PackageRequest, next: () => void) => void): void;
}

interface PackageRequest {
  readonly ctx?: { readonly weights?: AgentEntry['weights']; readonly token?: string | undefined };
  readonly opts: { body?: object; headers?: object };
}

function connect({ settings }: AgentParts): Consul {
  const { tls, agent: address } = settings;
  const { host, port } = address;
  // Host and port of the HTTP agent win over those of a request, where an IPv6 address keeps its brackets and fails.
  const agent = agentFor(tls, { keepAlive: true, maxSockets: WRITE_LANES + BEAT_LANES, host, port });
  const [hostText] = formatHostPort(address).split(/:\d+$/);
  const consul = new Consul({ host: hostText as string, port, agent, secure: tls !== undefined });
  (consul as unknown as Extensible)._ext('onCreate', complete);
  return consul;
}

/** The package drops `weights` from a registration, so they are put back into the body; its token would never change. */
function complete({ ctx, opts }: PackageRequest, next: () => void): void {
  if (ctx?.token !== undefined) opts.headers = { ...opts.headers, 'x-consul-token': ctx.token };
  if (ctx?.weights !== undefined) opts.body = { ...opts.body, Weights: ctx.weights };
  next();
}

interface AnsweredError {
  readonly response?: IncomingMessage & { readonly body?: unknown };
}

function statusOf(error: unknown): number | undefined {
  return (error as AnsweredError).response?.statusCode;
}

function textOf(error: unknown): string {
  const body = (error as AnsweredError).response?.body;
  return body === undefined ? '' : String(body).slice(0, 1024);
}

/** The agent's words for a check or service that it does not have: 500 in old versions, 404 in newer ones. */
function isUnknown(error: unknown): boolean {
  const status = statusOf(error);
  const says = /does not have associated TTL|unknown (check|service)/i.test(textOf(error));
  return (status === 404 || status === 500) && says;
}

/** The package's errors carry the whole exchange, token included, so nothing of them but their text goes on. */
function plainError(error: unknown, what: string): PilotfishError {
  if (isPilotfishError(error)) return error;
  const status = statusOf(error);
  if (status !== undefined) return refusal(what, status, textOf(error));
  return new PilotfishError('UNAVAILABLE', `${what} failed: ${messageOf(error)}`);
}
