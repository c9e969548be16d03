/** Where the requests of an agent of node:http go, and which of its sockets are worth keeping. */
import type { Agent, ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { formatHostPort } from '../../runtime/host-port.js';
import type { ServiceHandle } from '../service-handle.js';
import { AgentRequest } from './agent-request.js';
import { isServing } from './endpoint-pools.js';
import { READY_TIMEOUT_MS, type RoutingOptions } from './options.js';
import { type LifeContext, lifeContext } from './request-life.js';
import { serviceNaming } from './service-names.js';
import { openHandle, type Services } from './services.js';

/** Where a request is to be connected, as node:http hands it to an agent. */
export interface Target {
  readonly host?: string | null | undefined;
  readonly port?: number | string | null | undefined;
}

/** Sends a request to this target, by the agent's own means. */
type Send = (target: Target) => void;

/** The endpoints of a service that may get new requests. */
interface Route {
  readonly handle: ServiceHandle;
  serving: ReadonlySet<string>;
}

export class AgentRouting {
  readonly #services: Services;
  readonly #agent: Pick<Agent, 'freeSockets'>;
  readonly #options: RoutingOptions;
  readonly #nameOf: (origin: URL) => string | undefined;
  readonly #context: LifeContext;
  readonly #routes = new Map<string, Route>();
  readonly #owners = new WeakMap<Duplex, { readonly route: Route; readonly address: string }>();

  constructor(services: Services, agent: Pick<Agent, 'freeSockets'>, options: RoutingOptions) {
    this.#services = services;
    this.#agent = agent;
    this.#options = options;
    this.#nameOf = serviceNaming(options.services);
    this.#context = lifeContext(services.clock, options);
  }

  addRequest(request: ClientRequest, target: Target, send: Send): void {
    try {
      const route = this.#route(request, target);
      if (route === undefined) send(target);
      else if (route.handle.snapshot === undefined) void this.#whenListed(route, request, target, send);
      else this.#send(route, request, target, send);
    } catch (error) {
      refuse(request, error as Error);
    }
  }

  /** False for a connection to an endpoint that takes no new requests. */
  isWorthKeeping(socket: Duplex): boolean {
    const owner = this.#owners.get(socket);
    return owner === undefined || owner.route.serving.has(owner.address);
  }

  close(): void {
    for (const { handle } of this.#routes.values()) void handle.close();
    this.#context.stalled.close();
  }

  async #whenListed(route: Route, request: ClientRequest, target: Target, send: Send): Promise<void> {
    const { readyTimeoutMs: timeoutMs = READY_TIMEOUT_MS } = this.#options;
    try {
      await route.handle.ready({ timeoutMs, minEndpoints: 0 });
      this.#send(route, request, target, send);
    } catch (error) {
      refuse(request, error as Error);
    }
  }

  /** The Host header is written by now, and node takes the server name for TLS from it. */
  #send(route: Route, request: ClientRequest, target: Target, send: Send): void {
    if (request.destroyed) throw new DOMException('This operation was aborted', 'AbortError');
    const pick = route.handle.pick();
    new AgentRequest(request, pick, this.#context);
    const address = formatHostPort(pick.endpoint);
    request.once('socket', (socket: Socket) => this.#owners.set(socket, { route, address }));
    send({ ...target, host: pick.endpoint.host, port: pick.endpoint.port });
  }

  #route(request: ClientRequest, { host, port }: Target): Route | undefined {
    const authority = formatHostPort({ host: host ?? 'localhost', port: Number(port) });
    const origin = `${request.protocol}//${authority}`;
    const known = this.#routes.get(origin);
    if (known !== undefined) return known;
    const name = this.#nameOf(new URL(origin));
    if (name === undefined) return undefined;
    const { policy } = this.#options;
    const route: Route = { handle: openHandle(this.#services, name, policy), serving: new Set() };
    this.#routes.set(origin, route);
    this.#follow(route);
    return route;
  }

  #follow(route: Route): void {
    const note = (): void => {
      const listed = route.handle.snapshot?.instances ?? [];
      route.serving = new Set(listed.filter(isServing).map(({ endpoint }) => formatHostPort(endpoint)));
      for (const socket of Object.values(this.#agent.freeSockets).flat()) {
        if (socket !== undefined && !this.isWorthKeeping(socket)) socket.destroy();
      }
    };
    route.handle.onChange(note);
    note();
  }
}

/** Ends a request that was not sent. */
function refuse(request: ClientRequest, error: Error): void {
  (request as unknown as { onSocket(socket: null, error: Error): void }).onSocket(null, error);
}
