/**
 * A fleet moves from one registry to another, and back, as docs/migrate.md says, while a caller that tries nothing twice
 * goes on. The sidecars follow their files; callers are replaced, a new generation before the old one ends.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { connect } from '../../resolver/index.js';
import { connectClient } from '../helpers/zk.js';
import { sharedServer } from '../servers/index.js';
import { freePorts } from '../servers/ports.js';
import { ServiceProcess, sidecarConfig } from './instance.js';
import { ListWatcher } from './list-watcher.js';
import { Load, type LoadReport } from './load.js';
import { eventually, Sidecar, writeConfig } from './world.js';

const INSTANCES = 4;
const PER_SECOND = 100;
const CHROOT = `/migration-${process.pid}`;

interface Backend {
  readonly name: string;
  readonly url: () => string;
  /** How many entries of the service the server itself has, whatever our decoders would make of them. */
  readonly entries: (service: string) => Promise<number>;
}

const ZOOKEEPER: Backend = {
  name: 'ZooKeeper',
  url: () => `zookeeper://${sharedServer('zookeeper')}${CHROOT}`,
  entries: async (service) => {
    await using client = await connectClient(sharedServer('zookeeper'));
    const path = `${CHROOT}/${service}`;
    return (await client.zk.exists(path)) === undefined ? 0 : (await client.zk.children(path)).names.length;
  },
};

const CONSUL: Backend = {
  name: 'Consul',
  url: () => `consul://${sharedServer('consul')}`,
  entries: async (service) => {
    const response = await fetch(`http://${sharedServer('consul')}/v1/catalog/service/${service}`);
    return ((await response.json()) as unknown[]).length;
  },
};

const WAYS = [
  { from: ZOOKEEPER, to: CONSUL },
  { from: CONSUL, to: ZOOKEEPER },
] as const;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pilotfish-migration-'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

describe('a fleet under load moves', () => {
  test.for(WAYS.map(({ from, to }) => ({ from, to, way: `${from.name} to ${to.name}` })))(
    'from $way',
    { timeout: 120_000 },
    async ({ from, to }, { annotate, expect }) => {
      const service = `migration-${from.name.toLowerCase()}-${process.pid}`;
      await using fleet = await Fleet.start(service, [from.url()]);
      await using inFrom = await ListWatcher.of(from.url(), service);
      await using inTo = await ListWatcher.of(to.url(), service);
      await inFrom.sees(fleet.ids);
      const reports: LoadReport[] = [];

      const before = await Generation.start(service, [from.url()]);
      await fleet.goTo([from.url(), to.url()]);
      await inTo.sees(fleet.ids);
      await before.load.reaches(PER_SECOND);
      expect(await Promise.all([from.entries(service), to.entries(service)])).toEqual([INSTANCES, INSTANCES]);

      const between = await Generation.start(service, [from.url(), to.url()]);
      reports.push(await before.end());
      await between.load.reaches(PER_SECOND);
      await fleet.goTo([to.url()]);
      await inFrom.sees([]);
      await between.load.reaches(3 * PER_SECOND);
      expect(await Promise.all([from.entries(service), to.entries(service)])).toEqual([0, INSTANCES]);

      const after = await Generation.start(service, [to.url()]);
      reports.push(await between.end());
      await after.load.reaches(PER_SECOND);
      reports.push(await after.end());

      const sent = reports.reduce((sum, report) => sum + report.sent, 0);
      await annotate(`${from.name} to ${to.name}: ${sent} requests, none repeated`);
      expect(reports.flatMap(({ failures }) => failures)).toEqual([]);
      for (const generation of [before, between, after]) expect(generation.wrongLists).toEqual([]);
      expect(inTo.ids).toEqual([...fleet.ids].sort());
      expect([...inFrom.doubles, ...inTo.doubles]).toEqual([]);
      expect(
        fleet.ids.flatMap((id) => inTo.since(0, id)).filter(({ status }) => status !== 'passing'),
      ).toEqual([]);
    },
  );
});

/** Services with a sidecar beside each. Every second one reads its file by itself when it changes. */
class Fleet {
  readonly ids: readonly string[];
  readonly #members: readonly Member[];

  private constructor(members: readonly Member[]) {
    this.#members = members;
    this.ids = members.map(({ id }) => id);
  }

  static async start(service: string, registry: readonly string[]): Promise<Fleet> {
    const ports = await freePorts(INSTANCES - 1);
    return new Fleet(await Promise.all(ports.map((port, i) => startMember(service, port, i, registry))));
  }

  /** Resolves when every sidecar holds what its new file says. */
  async goTo(registry: readonly string[]): Promise<void> {
    await Promise.all(
      this.#members.map(async ({ file, config, sidecar, reloadsByItself }) => {
        await writeConfig(file, registry, config);
        if (!reloadsByItself) sidecar.signal('SIGHUP');
        await eventually('the reload', async () => {
          const { registries } = await sidecar.status();
          return registries.length === registry.length && (await sidecar.get('/readyz')).status === 200;
        });
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map(({ sidecar }) => sidecar.kill()));
    await Promise.all(this.#members.map(({ service }) => service.signal('SIGKILL')));
  }
}

interface Member {
  readonly id: string;
  readonly file: string;
  readonly config: object;
  readonly reloadsByItself: boolean;
  readonly service: ServiceProcess;
  readonly sidecar: Sidecar;
}

async function startMember(
  name: string,
  port: number,
  index: number,
  registry: readonly string[],
): Promise<Member> {
  const id = `${name}-${index}`;
  const file = join(directory, `${id}.json`);
  const reloadsByItself = index % 2 === 0;
  const config = {
    ...sidecarConfig({ service: name, id, port, directory }),
    reloadOnChange: reloadsByItself,
  };
  const service = await ServiceProcess.start(port);
  const sidecar = await Sidecar.startFrom(file, registry, config);
  return { id, file, config, reloadsByItself, service, sidecar };
}

/** Callers that were started with the same registries. */
class Generation {
  readonly load: Load;
  /** Lists that had an instance twice or not all of them, as ids. */
  readonly wrongLists: (readonly string[])[] = [];
  readonly #close: () => Promise<void>;

  private constructor(load: Load, close: () => Promise<void>) {
    this.load = load;
    this.#close = close;
  }

  /** Resolves when every registry has given it a list, the whole one, and its load runs. */
  static async start(service: string, registries: readonly string[]): Promise<Generation> {
    const discovery = await connect(registries);
    const caller = discovery.service(service);
    await caller.ready({ minEndpoints: INSTANCES, timeoutMs: 30_000 });
    await eventually('a list of each registry', () => {
      return (discovery.status()[0]?.watchUpdates ?? 0) >= registries.length;
    });
    const load = new Load({ service: caller, perSecond: PER_SECOND });
    const generation = new Generation(load, () => discovery.close());
    caller.onChange(({ snapshot: { instances } }) => {
      const ids = instances.map(({ id }) => id);
      if (ids.length !== INSTANCES || new Set(ids).size !== INSTANCES) generation.wrongLists.push(ids);
    });
    return generation;
  }

  async end(): Promise<LoadReport> {
    const report = await this.load.stop();
    await this.#close();
    return report;
  }
}
