/** Three toy services with a sidecar each. A service can be killed and started again; its sidecar stays. */
import { type SidecarProcess, startSidecarProcess, startToyService, type ToyService } from './processes.js';

export interface Member {
  readonly id: string;
  /** What its sidecar says of it; `unknown` until it was asked. */
  readonly health: string;
  /** Milliseconds since the epoch; undefined while it is not registered. */
  readonly registeredAt: number | undefined;
}

interface Running {
  readonly id: string;
  readonly sidecar: SidecarProcess;
  service: ToyService;
}

interface Status {
  readonly services: readonly [
    {
      readonly health: { readonly state: string };
      readonly registrations: readonly { registeredAt?: number }[];
    },
  ];
}

export class Fleet {
  readonly #members: readonly Running[];

  private constructor(members: readonly Running[]) {
    this.#members = members;
  }

  /** All of them, or none: rejects with what kept one from starting, when the others are stopped again. */
  static async start(service: string, registry: string, ids: readonly string[]): Promise<Fleet> {
    const starts = await Promise.allSettled(ids.map((id) => startMember(service, registry, id)));
    const fleet = new Fleet(starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : [])));
    const failed = starts.find((start) => start.status === 'rejected');
    if (failed === undefined) return fleet;
    await fleet.stop();
    throw failed.reason;
  }

  /** SIGKILL: no goodbye, the port is refused from now on. */
  async killService(id: string): Promise<void> {
    await this.#member(id).service.kill();
  }

  /** On the same port, as an orchestrator would. */
  async restartService(id: string): Promise<void> {
    const member = this.#member(id);
    member.service = await startToyService(id, member.service.port);
  }

  /** Asks every sidecar how it is. */
  status(): Promise<readonly Member[]> {
    return Promise.all(this.#members.map(({ id, sidecar }) => ask(id, sidecar.adminUrl)));
  }

  /** The sidecars first, so that nobody is sent to a service that is going. */
  async stop(): Promise<void> {
    await Promise.all(this.#members.map(({ sidecar }) => sidecar.stop()));
    await Promise.all(this.#members.map(({ service }) => service.stop()));
  }

  #member(id: string): Running {
    const member = this.#members.find((each) => each.id === id);
    if (member === undefined) throw new Error(`expected one of the demo's services, got ${id}`);
    return member;
  }
}

async function startMember(name: string, registry: string, id: string): Promise<Running> {
  const service = await startToyService(id, 0);
  try {
    return { id, service, sidecar: await startSidecar(name, registry, id, service.port) };
  } catch (error) {
    await service.kill();
    throw error;
  }
}

function startSidecar(name: string, registry: string, id: string, port: number): Promise<SidecarProcess> {
  return startSidecarProcess([
    ...['--registry', registry, '--service', name, '--id', id, '--port', String(port)],
    ...['--address', '127.0.0.1', '--admin', '127.0.0.1:0', '--log-level', 'info'],
    ...['--probe', 'http:/health', '--interval', '500ms', '--timeout', '400ms', '--rise', '2', '--fall', '2'],
    // At the end of the demo its caller has stopped before.
    ...['--drain-wait', '0s'],
  ]);
}

async function ask(id: string, adminUrl: string): Promise<Member> {
  try {
    const response = await fetch(`${adminUrl}/v1/status`, { signal: AbortSignal.timeout(1_000) });
    const [{ health, registrations }] = ((await response.json()) as Status).services;
    return { id, health: health.state, registeredAt: registrations[0]?.registeredAt };
  } catch {
    return { id, health: 'unknown', registeredAt: undefined };
  }
}
