/**
 * Agents of node:http and node:https, for clients that know nothing of undici, such as axios and got. Each request is picked
 * for, not each connection; sockets are kept alive per endpoint, as an agent does for any host.
 */
import http, { type AgentOptions, type ClientRequest } from 'node:http';
import https, { type AgentOptions as TlsAgentOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { AgentRouting, type Target } from './agent-routing.js';
import type { RoutingOptions } from './options.js';
import type { Services } from './services.js';

/** What node calls at every request, as its types do not say it. */
interface AgentParts {
  readonly freeSockets: http.Agent['freeSockets'];
  addRequest(request: ClientRequest, target: Target): void;
  keepSocketAlive(socket: Duplex): boolean;
  destroy(): void;
}

type AgentClass = new (options: TlsAgentOptions) => AgentParts;

/**
 * @param discovery Stays the caller's. When it closes, requests fail with CLOSED.
 * @param agent Options of the agent itself. Default `{ keepAlive: true }`. `destroy()` ends it.
 */
export function httpAgent(
  discovery: Services,
  routing: RoutingOptions = {},
  agent: AgentOptions = {},
): http.Agent {
  return serviceAgent(http.Agent, discovery, routing, agent) as http.Agent;
}

/** As `httpAgent`, for https: the certificate must have the name in the URL, whatever address is connected to. */
export function httpsAgent(
  discovery: Services,
  routing: RoutingOptions = {},
  agent: TlsAgentOptions = {},
): https.Agent {
  return serviceAgent(https.Agent, discovery, routing, agent) as https.Agent;
}

function serviceAgent(
  Base: unknown,
  services: Services,
  options: RoutingOptions,
  own: TlsAgentOptions,
): unknown {
  class ServiceAgent extends (Base as AgentClass) {
    readonly #routing = new AgentRouting(services, this, options);

    override addRequest(request: ClientRequest, target: Target): void {
      this.#routing.addRequest(request, target, (found) => super.addRequest(request, found));
    }

    override keepSocketAlive(socket: Duplex): boolean {
      return this.#routing.isWorthKeeping(socket) && super.keepSocketAlive(socket);
    }

    override destroy(): void {
      super.destroy();
      this.#routing.close();
    }
  }
  return new ServiceAgent({ keepAlive: true, ...own });
}
