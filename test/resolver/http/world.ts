/**
 * Real HTTP servers, listed as instances of `orders` in a real `local:` registry, and a discovery on it whose policy
 * writes down what became of every pick.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { InstanceStatus, Registration, Registry } from '../../../registry/contract.js';
import { parseInstance } from '../../../registry/instance.js';
import { open } from '../../../registry/open.js';
import {
  connect,
  type Discovery,
  type Outcome,
  type OutcomeDetails,
  type Policy,
  roundRobin,
} from '../../../resolver/index.js';
import { eventually } from '../../end-to-end/world.js';

export interface Ended extends OutcomeDetails {
  readonly id: string;
  readonly outcome: Outcome;
}

/** A policy that writes down every pick and every end. */
export class Recorder implements Policy {
  readonly ended: Ended[] = [];
  picks = 0;
  readonly #inner = roundRobin();

  get inFlight(): number {
    return this.picks - this.ended.length;
  }

  readonly build: Policy['build'] = (candidates, _previous, context) => {
    const inner = this.#inner.build(candidates, undefined, context);
    return {
      pick: (request) => {
        const pick = inner.pick(request);
        if (pick === undefined) return undefined;
        this.picks++;
        const { instance, endpoint } = pick;
        return {
          instance,
          endpoint,
          done: (outcome, details) => this.ended.push({ id: instance.id, outcome, ...details }),
        };
      },
    };
  };

  /** Resolves with the ends, when so many came. */
  async ends(count: number): Promise<readonly Ended[]> {
    await eventually(`${count} ends`, () => this.ended.length >= count);
    return this.ended;
  }
}

export class HttpWorld {
  readonly recorder: Recorder;
  readonly discovery: Discovery;
  readonly #registry: Registry;
  readonly #folder: string;
  readonly #servers: TestServer[] = [];
  readonly #registrations = new Map<string, Registration>();

  private constructor(folder: string, registry: Registry, discovery: Discovery, recorder: Recorder) {
    this.#folder = folder;
    this.#registry = registry;
    this.discovery = discovery;
    this.recorder = recorder;
  }

  static async start(): Promise<HttpWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'pilotfish-http-'));
    const registry = (await open(`local:${folder}`)) as Registry;
    const recorder = new Recorder();
    const discovery = await connect(`local:${folder}`, { policy: recorder });
    return new HttpWorld(folder, registry, discovery, recorder);
  }

  /** How many instances there are in the registry. */
  get listed(): number {
    return this.#registrations.size;
  }

  /** A server with this behaviour, listed under `id`. */
  async serve(id: string, listener: RequestListener, tls?: Server): Promise<TestServer> {
    const server = await TestServer.start(listener, tls);
    this.#servers.push(server);
    await this.list(id, server.port);
    return server;
  }

  async list(id: string, port: number, status: InstanceStatus = 'passing'): Promise<void> {
    const parsed = parseInstance({ service: 'orders', id, host: '127.0.0.1', port, status });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
    const known = this.#registrations.get(id);
    if (known === undefined) this.#registrations.set(id, await this.#registry.register(parsed.value));
    else await known.update(parsed.value);
  }

  async unlist(id: string): Promise<void> {
    await this.#registrations.get(id)?.close();
    this.#registrations.delete(id);
  }

  async close(): Promise<void> {
    await this.discovery.close();
    await this.#registry.close();
    await Promise.all(this.#servers.map((server) => server.close()));
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export class TestServer {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections that were ever made. */
  accepted = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => {
      this.accepted++;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(
    listener: RequestListener,
    server: Server = createServer({ keepAliveTimeout: 60_000 }),
  ): Promise<TestServer> {
    server.on('request', listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new TestServer(server);
  }

  onUpgrade(listener: (req: IncomingMessage, socket: Duplex) => void): void {
    this.#server.on('upgrade', listener);
  }

  onConnect(listener: (req: IncomingMessage, socket: Duplex) => void): void {
    this.#server.on('connect', listener);
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#sockets.size;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
