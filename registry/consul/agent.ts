/**
 * The local agent, which owns the entries registered through it: writes by the npm package `consul`, reads by our
 * own client. Every call is one attempt with its own deadline; see `retry.ts` for the few that are tried again.
 */
import { EventEmitter } from 'node:events';
import { Agent as HttpAgent, type IncomingMessage } from 'node:http';
import Consul from 'consul';
import { withDeadline } from '../../runtime/abort.js';
import type { Clock } from '../../runtime/clock.js';
import { formatDuration } from '../../runtime/duration.js';
import { isPilotfishError, messageOf, PilotfishError } from '../../runtime/errors.js';
import { formatHostPort } from '../../runtime/host-port.js';
import type { InstanceStatus } from '../contract.js';
import type { ConnectionState } from './connection-state.js';
import { fieldsOf } from './decode.js';
import { type AgentEntry, META } from './entry.js';
import { type ConsulHttp, refusal } from './http.js';
import type { ConsulSettings } from './settings.js';

/** An answer of the local agent takes milliseconds; after this it is taken for dead. */
const CALL_DEADLINE_MS = 5000;

const MAX_CONNECTIONS = 8;

export interface AgentParts {
  readonly settings: ConsulSettings;
  readonly token: string | undefined;
  readonly clock: Clock;
  readonly http: ConsulHttp;
  readonly state: ConnectionState;
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
}

export class ConsulAgent {
  readonly #parts: AgentParts;
  readonly #consul: Consul;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    this.#consul = connect(parts);
  }

  /** Writes the entry and its check. An existing check keeps its status, whatever the entry says: see `report`. */
  register(entry: AgentEntry, options: CallOptions): Promise<void> {
    const { ttlMs, deregisterAfterMs } = this.#parts.settings;
    const ttl = formatDuration(ttlMs);
    const { id, name, address, port, meta, weights } = entry;
    return this.#call(`registering ${id}`, options, (ctx) =>
      this.#consul.agent.service.register({
        id,
        name,
        address,
        port,
        meta,
        tags: [...entry.tags],
        check: {
          name: `pilotfish heartbeat of ${id}`,
          checkid: entry.checkId,
          ttl,
          // Demanded by the types and not sent for a TTL check.
          timeout: ttl,
          status: entry.status,
          deregistercriticalserviceafter: formatDuration(deregisterAfterMs),
        },
        ...{ ctx: Object.assign(ctx, { weights }) },
      }),
    );
  }

  /** One heartbeat. False when the agent does not know the check. */
  async report(checkId: string, status: InstanceStatus, options: CallOptions): Promise<boolean> {
    const { check } = this.#consul.agent;
    const args = (ctx: EventEmitter) => ({ id: checkId, ...{ ctx } });
    return this.#call(`heartbeat of ${checkId}`, options, async (ctx) => {
      try {
        await (status === 'passing' ? check.pass(args(ctx)) : check.warn(args(ctx)));
        return true;
      } catch (error) {
        if (isUnknown(error)) return false;
        throw error;
      }
    });
  }

  /** Removes the entry and its checks. One that does not exist is no error. */
  async deregister(id: string, options: CallOptions): Promise<void> {
    await this.#call(`deregistering ${id}`, options, async (ctx) => {
      try {
        await this.#consul.agent.service.deregister({ id, ...{ ctx } });
      } catch (error) {
        if (!isUnknown(error)) throw error;
      }
    });
  }

  async find(id: string, options: CallOptions): Promise<FoundEntry | undefined> {
    const answer = await this.#parts.http.find(`/v1/agent/service/${id}`, readOptions(options));
    if (answer === undefined) return undefined;
    const service = fieldsOf(answer.json);
    const owner = fieldsOf(service.Meta)[META.owner];
    return { service, owner: typeof owner === 'string' ? owner : undefined };
  }

  /** The status of a check, `critical` included; undefined when there is none. */
  async checkStatus(checkId: string, options: CallOptions): Promise<unknown> {
    // Ids hold no quote and no backslash (see `isName`), so the filter needs no escaping.
    const query = { filter: `CheckID == "${checkId}"` };
    const { json } = await this.#parts.http.get('/v1/agent/checks', { query, ...readOptions(options) });
    const checks = fieldsOf(json);
    return Object.hasOwn(checks, checkId) ? fieldsOf(checks[checkId]).Status : undefined;
  }

  close(): void {
    this.#consul.destroy();
  }

  /** The package knows no AbortSignal: it cancels when an emitter, handed along as `ctx`, says so. */
  #call<T>(what: string, options: CallOptions, work: (ctx: EventEmitter) => Promise<T>): Promise<T> {
    const { clock, state } = this.#parts;
    const { signal, deadlineMs = CALL_DEADLINE_MS } = options;
    return state.track(signal, () =>
      withDeadline(clock, deadlineMs, what, signal, async (link) => {
        link.throwIfAborted();
        const ctx = new EventEmitter();
        link.addEventListener('abort', () => ctx.emit('cancel'), { once: true });
        return work(ctx).catch((error) => {
          throw plainError(error, what);
        });
      }),
    );
  }
}

function readOptions({ signal, deadlineMs = CALL_DEADLINE_MS }: CallOptions) {
  return { signal, deadlineMs };
}

/** What the package's types leave out of its base class: a hook that sees each request before it is made. */
interface Extensible {
  _ext(event: 'onCreate', extension: (request: PackageRequest, next: () => void) => void): void;
}

interface PackageRequest {
  readonly ctx?: { readonly weights?: AgentEntry['weights'] };
  readonly opts: { body?: object };
}

function connect({ settings, token }: AgentParts): Consul {
  const { host, port } = settings.agent;
  // Host and port of the HTTP agent win over those of a request, where an IPv6 address keeps its brackets and fails.
  const agent = new HttpAgent({ keepAlive: true, maxSockets: MAX_CONNECTIONS, host, port });
  const [hostText] = formatHostPort(settings.agent).split(/:\d+$/);
  const defaults = token === undefined ? {} : { defaults: { token } };
  const consul = new Consul({ host: hostText as string, port, agent, ...defaults });
  (consul as unknown as Extensible)._ext('onCreate', addWeights);
  return consul;
}

/** The package drops `weights` from a registration, so they are put back into the body that it made. */
function addWeights({ ctx, opts }: PackageRequest, next: () => void): void {
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
