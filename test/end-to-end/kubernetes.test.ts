/**
 * A pod ends as the kubelet ends it: the preStop hooks first, then the containers, then the native sidecar. What
 * docs/kubernetes.md promises of that order, and that its manifests are ones that the command line understands.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { connect, type Discovery, type ServiceHandle } from '../../resolver/index.js';
import { parseDuration } from '../../runtime/duration.js';
import { runCli } from '../helpers/cli.js';
import { sharedServer } from '../servers/index.js';
import { freePorts } from '../servers/ports.js';
import { ServiceProcess, sidecarConfig } from './instance.js';
import { ListWatcher } from './list-watcher.js';
import { Load } from './load.js';
import { eventually, Sidecar } from './world.js';

const PODS = 3;
const PER_SECOND = 100;

/** Of the configuration: a drain that waited for an app that is gone would take as long. */
const DRAIN_WAIT_MS = 5_000;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pilotfish-kubernetes-'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** The two containers of a pod. */
interface Pod {
  readonly id: string;
  readonly app: ServiceProcess;
  readonly sidecar: Sidecar;
}

async function startPod(service: string, index: number, port: number, registry: string): Promise<Pod> {
  const id = `${service}-${index}`;
  const config = sidecarConfig({ service, id, port, directory });
  const app = await ServiceProcess.start(port);
  return { id, app, sidecar: await Sidecar.startFrom(join(directory, `${id}.json`), registry, config) };
}

async function endPod({ app, sidecar }: Pod): Promise<void> {
  await sidecar.kill();
  await app.signal('SIGKILL');
}

/** The hook of the sidecar's container. */
function preStop({ sidecar }: Pod): Promise<{ readonly code: number | undefined }> {
  return runCli(['drain', '--wait', '--timeout', '30s', '--admin', sidecar.adminUrl]);
}

describe('a pod of three ends while a caller sends 100 requests a second', { timeout: 90_000 }, () => {
  let names = 0;
  let registry: string;
  let pods: readonly Pod[];
  let leaving: Pod;
  let watcher: ListWatcher;
  let discovery: Discovery;
  let caller: ServiceHandle;

  beforeEach(async () => {
    registry = `zookeeper://${sharedServer('zookeeper')}/kubernetes-${process.pid}`;
    const service = `pods-${++names}`;
    const ports = await freePorts(PODS - 1);
    pods = await Promise.all(ports.map((port, i) => startPod(service, i, port, registry)));
    leaving = pods[0] as Pod;
    watcher = await ListWatcher.of(registry, service);
    discovery = await connect(registry);
    caller = discovery.service(service);
    await caller.ready({ minEndpoints: PODS, timeoutMs: 30_000 });
  });

  afterEach(async () => {
    await watcher[Symbol.asyncDispose]();
    await discovery.close();
    await Promise.all(pods.map(endPod));
  });

  test('with the hook: drained while it serves, then the app, then the sidecar, and no request fails', async ({
    annotate,
  }) => {
    const load = new Load({ service: caller, perSecond: PER_SECOND });
    await load.reaches(PER_SECOND);
    const toldAt = performance.now();

    expect(await preStop(leaving)).toMatchObject({ code: 0 });
    const goneAt = await watcher.gone(leaving.id, toldAt);
    expect(leaving.app.events.map(({ event }) => event)).toEqual(['listens']);

    expect(await leaving.app.signal('SIGTERM')).toBe(0);
    expect(leaving.app.events.find(({ event }) => event === 'SIGTERM')?.inFlight).toBe(0);

    const signalledAt = performance.now();
    expect(await leaving.sidecar.terminate()).toMatchObject({ code: 0 });
    const endedAfterMs = performance.now() - signalledAt;
    expect(drains(leaving)).toEqual(['an operator asked for it']);

    await load.reaches(load.sent + PER_SECOND);
    const { failures, sent } = await load.stop();
    const [gone, ended] = [goneAt - toldAt, endedAfterMs].map(Math.round);
    await annotate(
      `${sent} requests, entry gone ${gone} ms after the hook began, sidecar ended in ${ended} ms`,
    );
    expect(failures).toEqual([]);
    expect(watcher.since(toldAt, leaving.id).map(({ status }) => status)).toEqual(['draining', undefined]);
    expect(listedBy(leaving)).toEqual([]);
  });

  test('a sidecar that is told to end during the hook ends with the same drain', async () => {
    const hook = preStop(leaving);
    await eventually('the drain has begun', async () => {
      return JSON.parse((await leaving.sidecar.get('/v1/drain')).text).services.length > 0;
    });
    expect(await leaving.sidecar.terminate()).toMatchObject({ code: 0 });
    await hook;
    expect(drains(leaving)).toEqual(['an operator asked for it']);
    await watcher.gone(leaving.id, 0);
  });

  test('without the hook: the sidecar notices that the app has gone, deregisters it, and ends', async () => {
    const toldAt = performance.now();
    expect(await leaving.app.signal('SIGTERM')).toBe(0);
    await watcher.gone(leaving.id, toldAt);
    expect(watcher.since(toldAt, leaving.id).map(({ status }) => status)).toEqual([undefined]);
    expect(await leaving.sidecar.terminate()).toMatchObject({ code: 0 });
    const drained = leaving.sidecar.log.find(({ message }) => message === 'drained');
    expect(drained?.elapsedMs).toBeLessThan(DRAIN_WAIT_MS);
  });

  /** What the drains of the sidecar were for. */
  function drains({ sidecar }: Pod): readonly unknown[] {
    return sidecar.log.filter(({ message }) => message === 'draining').map(({ cause }) => cause);
  }

  function listedBy({ id }: Pod): readonly string[] {
    return caller.snapshot?.instances.filter((instance) => instance.id === id).map((one) => one.id) ?? [];
  }
});

test('a pod is ready while it is listed, and not while its app fails, from the start or later', async () => {
  const registry = `zookeeper://${sharedServer('zookeeper')}/kubernetes-${process.pid}`;
  const [port] = await freePorts(0);
  const config = sidecarConfig({ service: 'readiness', id: 'one', port, directory });
  const sidecar = await Sidecar.startFrom(join(directory, 'readiness.json'), registry, config);
  const isFailing = async () => (await sidecar.status()).services[0]?.health.state === 'failing';
  // What the manifest has the kubelet run.
  const readiness = () => runCli(['status', '--admin', sidecar.adminUrl]);
  await eventually('the app does not come up', isFailing);
  const unready = await readiness();
  expect(unready.code).toBe(1);
  expect(unready.stdout).toMatch(/^ {2}not ready: readiness is failing: probe .+$/m);
  const app = await ServiceProcess.start(port);
  await eventually('the pod is ready', async () => (await readiness()).code === 0);
  await app.signal('SIGKILL');
  await eventually('the app fails', isFailing);
  expect((await readiness()).code).toBe(1);
  await sidecar.kill();
});

interface Probe {
  readonly exec?: { readonly command: readonly string[] };
  readonly httpGet?: { readonly path: string; readonly port: number | string };
}

interface Hook {
  readonly exec?: { readonly command: readonly string[] };
  readonly sleep?: { readonly seconds: number };
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly restartPolicy?: string;
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly lifecycle?: { readonly preStop?: Hook };
  readonly startupProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

interface PodSpec {
  readonly terminationGracePeriodSeconds: number;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes?: readonly { readonly name: string }[];
}

interface Resource {
  readonly kind: string;
  readonly spec?: { readonly template: { readonly spec: PodSpec } };
  readonly data?: Readonly<Record<string, string>>;
}

const FOLDER = fileURLToPath(new URL('../../examples/kubernetes/', import.meta.url));
const MANIFESTS = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.yaml'))
  .map((file) => {
    const documents = parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8'));
    const resources = documents.map((document) => document.toJS() as Resource);
    const pod = resources.find(({ kind }) => kind === 'Deployment')?.spec?.template.spec as PodSpec;
    const containers = [...(pod.initContainers ?? []), ...pod.containers];
    const sidecar = containers.find(({ image }) => image.startsWith('pilotfish:')) as Container;
    const data = resources.find(({ kind }) => kind === 'ConfigMap')?.data ?? {};
    return { file, pod, sidecar, apps: containers.filter((each) => each !== sidecar), data };
  });

test('there are manifests', () => {
  expect(MANIFESTS.length).toBeGreaterThan(0);
});

describe.each(MANIFESTS)('examples/kubernetes/$file', ({ pod, sidecar, apps, data }) => {
  /** What the sidecar's settings come to; names that Kubernetes fills in are made up. */
  async function printedConfig(): Promise<Record<string, string>> {
    const text = data['sidecar.yaml'] as string;
    const file = join(directory, 'sidecar.yaml');
    await writeFile(file, text);
    const args = (sidecar.args ?? []).map((arg) => (arg.endsWith('/sidecar.yaml') ? file : arg));
    const env = Object.fromEntries(
      (sidecar.env ?? []).map(({ name, value }) => [
        name,
        value ?? (name === 'PILOTFISH_ADDRESS' ? '10.1.2.3' : 'a-name'),
      ]),
    );
    const { code, stdout, stderr } = await runCli([...args, '--print-config', '--json'], { env });
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  }

  const seconds = (text: unknown): number => (parseDuration(String(text)) ?? Number.NaN) / 1000;
  const hook = sidecar.lifecycle?.preStop?.exec?.command ?? [];

  test('the sidecar is a native one, and its configuration is one it accepts', async () => {
    expect(pod.initContainers).toContain(sidecar);
    expect(sidecar.restartPolicy).toBe('Always');
    await printedConfig();
  });

  test('every command that it runs exists, with every flag', async () => {
    const commands = [sidecar.startupProbe, sidecar.readinessProbe, sidecar.livenessProbe].flatMap(
      (probe) => probe?.exec?.command.join(' ') ?? [],
    );
    for (const command of [hook.join(' '), ...commands]) {
      const [program, name = '', ...args] = command.split(' ');
      expect(program).toBe('pilotfish');
      const { code, stdout } = await runCli(['help', name]);
      expect(code).toBe(0);
      for (const flag of args.filter((arg) => arg.startsWith('--'))) expect(stdout).toContain(flag);
    }
  });

  test('every path that is probed is answered where it is probed', async () => {
    const { metrics } = await printedConfig();
    const gets = [sidecar.startupProbe, sidecar.readinessProbe, sidecar.livenessProbe].flatMap(
      (probe) => probe?.httpGet ?? [],
    );
    const [port = 0] = await freePorts(0);
    const config = { metrics: `127.0.0.1:${port}`, services: [{ name: 'probed', port: 1 }] };
    const running = await Sidecar.startFrom(join(directory, 'probed.json'), `local:${directory}`, config);
    try {
      for (const { path, port: name } of gets) {
        const probed = sidecar.ports?.find((each) => each.name === name)?.containerPort;
        expect(metrics).toMatch(new RegExp(`:${probed}$`));
        const { status } = await fetch(`http://127.0.0.1:${port}${path}`);
        expect(status).toBe(path === '/readyz' ? 503 : 200);
      }
    } finally {
      await running.kill();
    }
  });

  test('the app serves on until the sidecar has drained, and everything fits into the grace period', async () => {
    const { drainTimeout, drainPropagation, drainWait } = await printedConfig();
    const hookLimit = seconds(hook[hook.indexOf('--timeout') + 1]);
    expect(hook.slice(0, 3)).toEqual(['pilotfish', 'drain', '--wait']);
    expect(hookLimit).toBeGreaterThan(seconds(drainTimeout));
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(hookLimit);
    for (const app of apps) {
      const serves = app.lifecycle?.preStop?.sleep?.seconds ?? 0;
      expect(serves).toBeGreaterThan(seconds(drainPropagation) + seconds(drainWait));
      expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(serves);
    }
  });

  test('no container is root, writes to its root, or keeps capabilities', () => {
    for (const { securityContext } of [sidecar, ...apps]) {
      expect(securityContext).toMatchObject({
        runAsNonRoot: true,
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
      });
    }
  });

  test('every volume that is mounted is there', () => {
    const mounted = [sidecar, ...apps].flatMap(({ volumeMounts = [] }) =>
      volumeMounts.map(({ name }) => name),
    );
    const volumes = (pod.volumes ?? []).map(({ name }) => name);
    expect(volumes).toEqual(expect.arrayContaining(mounted));
  });
});
