/** All that the clients of `http.ts` are sent to: backends, proxies before them, and a registry that lists them. */
import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloseStack } from '../runtime/close-stack.js';
import { freePorts } from '../test/servers/ports.js';
import { haproxy, nginx, type WebKind } from '../test/servers/web-program.js';
import { startWebServer } from '../test/servers/web-server.js';
import type { Side } from './cores.js';
import { type Backends, startBackends } from './http-backends.js';
import { haproxyConfig, nginxProxyConfig, type ProxyRoute } from './http-configs.js';
import type { HttpContender } from './http-scenarios.js';

export interface HttpServers {
  /** What a client is given: origins, or the URL of a registry and a service in it. */
  targetsOf(contender: HttpContender): readonly string[];
  close(): Promise<void>;
}

/** Where each client of a proxy finds it: every one has a port, and a configuration, of its own. */
type Origins = ReadonlyMap<HttpContender, string>;

const PROXIES: readonly (readonly [WebKind, (routes: readonly ProxyRoute[]) => string])[] = [
  [nginx, nginxProxyConfig],
  [haproxy, haproxyConfig],
];

export async function startHttpServers(
  contenders: readonly HttpContender[],
  side: Side,
): Promise<HttpServers> {
  const closers = new CloseStack();
  try {
    const backends = await startBackends(side, closers);
    const origins = new Map<HttpContender, string>();
    for (const [kind, configOf] of PROXIES) {
      const clients = contenders.filter(({ via }) => via === kind.name);
      const ports = await freePorts(clients.length - 1);
      const routes = clients.map((client, at) => routeOf(client, ports[at] as number, backends));
      const server = await startWebServer(kind, { config: configOf(routes), ports, as: side.command });
      closers.defer(() => server.stop());
      for (const [at, client] of clients.entries()) origins.set(client, `http://127.0.0.1:${ports[at]}`);
    }
    const registry = await writeRegistry(backends);
    return {
      targetsOf: (contender) => targetsOf(contender, backends, registry, origins),
      close: () => closers.close(),
    };
  } catch (error) {
    await closers.close();
    throw error;
  }
}

function routeOf({ third, settings }: HttpContender, port: number, backends: Backends): ProxyRoute {
  return { port, backends: backends[third], settings };
}

function targetsOf(
  contender: HttpContender,
  backends: Backends,
  registry: string,
  origins: Origins,
): readonly string[] {
  const { third, via } = contender;
  const all = backends[third].map((address) => `http://${address}`);
  if (via === 'backends') return all;
  if (via === 'one backend') return all.slice(0, 1);
  if (via === 'registry') return [registry, third];
  return [origins.get(contender) as string];
}

/** A file with a service for each scenario. */
async function writeRegistry(backends: Backends): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pilotfish-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'endpoints.json');
  await writeFile(file, JSON.stringify(backends));
  return `static:${file}`;
}
