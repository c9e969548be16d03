/** Dockerfile, docker-compose.yml and what they refer to agree with each other, with the repository and with the CLI. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../helpers/cli.js';
import {
  type ComposeService,
  composeServices,
  dockerfileStages,
  type Instruction,
  ROOT,
  readText,
  readYaml,
} from './compose-file.js';

const PINNED = /^[a-z0-9./-]+:v?\d+\.\d+\.\d+(-[a-z-]+)?$/;

const services = composeServices();
const all = Object.entries(services);
const having = (key: keyof ComposeService): typeof all =>
  all.filter(([, service]) => service[key] !== undefined);
const own = all.filter(([, { image }]) => image === 'pilotfish');
const sidecars = own.filter(([, { network_mode }]) => network_mode !== undefined);
const packageJson = JSON.parse(readText('package.json')) as { version: string; scripts: object };

describe('Dockerfile', () => {
  const [build = [], final = [], ...more] = dockerfileStages();
  const argsOf = (stage: readonly Instruction[], wanted: string): readonly string[] =>
    stage.filter(({ name }) => name === wanted).map(({ args }) => args);
  const last = (wanted: string): string => argsOf(final, wanted).at(-1) ?? '';

  test('it has two stages of one pinned release, the second one slim', () => {
    expect(more).toEqual([]);
    const [from = '', slim = ''] = [build, final].flatMap((stage) => argsOf(stage, 'FROM'));
    const [image = ''] = from.split(' ');
    expect(from).toBe(`${image} AS build`);
    expect(image).toMatch(PINNED);
    expect(slim).toBe(`${image}-slim`);
  });

  test('every file it copies is in the repository, and .dockerignore lets it through', () => {
    const copied = argsOf(build, 'COPY').flatMap((args) => args.split(' ').slice(0, -1));
    const allowed = readText('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    expect(copied.filter((path) => !existsSync(`${ROOT}${path}`))).toEqual([]);
    expect([...copied].sort()).toEqual([...allowed].sort());
  });

  test('it copies every folder that the command line is built from', () => {
    const copied = argsOf(build, 'COPY').join(' ').split(' ');
    expect(copied).toEqual(expect.arrayContaining(['runtime', 'registry', 'sidecar', 'resolver', 'cli']));
  });

  test('every npm script it runs exists', () => {
    const scripts = argsOf(build, 'RUN').flatMap((args) =>
      [...args.matchAll(/npm run (\S+)/g)].map((m) => m[1]),
    );
    expect(scripts).toEqual(['build']);
    expect(packageJson.scripts).toHaveProperty('build');
  });

  test('the build fails when the native addon did not compile', () => {
    expect(argsOf(build, 'RUN').at(-1)).toMatch(/npm prune --omit=dev .+ node -e "require\('zookeeper'\)"$/);
  });

  test('it runs as a user that is not root, given by number', () => {
    expect(last('USER')).toBe('1000:1000');
  });

  test('node is process 1, without a shell, and the sidecar is the default', () => {
    expect(JSON.parse(last('ENTRYPOINT'))).toEqual(['node', '/app/dist/cli/main.js']);
    expect(JSON.parse(last('CMD'))).toEqual(['sidecar']);
    expect(argsOf(final, 'WORKDIR')).toEqual(['/app']);
    expect(existsSync(`${ROOT}dist/cli/main.js`)).toBe(true);
  });

  test('its label has the version of the package', () => {
    expect(last('LABEL')).toContain(`org.opencontainers.image.version="${packageJson.version}"`);
  });

  describe('the health check', () => {
    const [, command = '[]'] = /CMD (.*)$/.exec(last('HEALTHCHECK')) ?? [];
    let status = 200;
    const server = createServer((request, response) => {
      response.statusCode = request.url === '/healthz' ? status : 404;
      response.end();
    });

    beforeAll(() => once(server.listen(0, '127.0.0.1'), 'listening'));
    afterAll(() => void server.close());

    async function exitCode(admin: string): Promise<unknown> {
      const [, ...args] = JSON.parse(command) as string[];
      const child = spawn(process.execPath, args, { env: { PILOTFISH_ADMIN: admin }, stdio: 'ignore' });
      return (await once(child, 'exit'))[0];
    }
    const address = (): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;

    test('passes while the sidecar answers, fails when it does not', async () => {
      status = 200;
      expect(await exitCode(address())).toBe(0);
      status = 503;
      expect(await exitCode(address())).toBe(1);
      expect(await exitCode('127.0.0.1:1')).toBe(1);
    });

    test('asks where the sidecar listens by default', async () => {
      const { stdout } = await runCli([
        'sidecar',
        '--service',
        'x',
        '--port',
        '1',
        '--print-config',
        '--json',
      ]);
      expect(command).toContain(`'${(JSON.parse(stdout) as { admin: string }).admin}'`);
    });
  });
});

describe('docker-compose.yml', () => {
  test.each(all)('%s: the image is pinned or built here', (_, { image, build }) => {
    if (build === undefined) expect(image).toMatch(PINNED);
    else expect([image, build]).toEqual(['pilotfish', '.']);
  });

  test.each(having('volumes'))(
    '%s: everything that is mounted exists, and cannot be written',
    (_, { volumes = [] }) => {
      for (const volume of volumes) {
        const [source = '', target = '', mode] = volume.split(':');
        expect(existsSync(`${ROOT}${source}`), source).toBe(true);
        expect(target).toMatch(/^\//);
        expect(mode).toBe('ro');
      }
    },
  );

  test.each(having('depends_on'))(
    '%s: whatever it waits for exists and can become so',
    (_, { depends_on = {} }) => {
      for (const [name, { condition }] of Object.entries(depends_on)) {
        const other = services[name];
        const hasCheck = other?.healthcheck !== undefined || other?.build !== undefined;
        expect(condition, name).toBe(hasCheck ? 'service_healthy' : 'service_started');
      }
    },
  );

  test.each(having('ports'))('%s: ports are open to this host only', (_, { ports = [] }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  test.each(own)('%s: it can write to /tmp only and has no privileges', (_, service) => {
    expect(service).toMatchObject({
      read_only: true,
      tmpfs: ['/tmp'],
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    });
  });

  test('each of three services has a sidecar in its network, under its name', () => {
    const pairs = sidecars.map(([name, { network_mode, command, depends_on }]) => {
      const beside = network_mode?.replace(/^service:/, '') ?? '';
      return {
        name,
        id: command?.at(-1),
        image: services[beside]?.image,
        restart: depends_on?.[beside]?.restart,
      };
    });
    expect(pairs).toEqual(
      ['web-1', 'web-2', 'web-3'].map((id) => ({
        name: `${id}-sidecar`,
        id,
        image: expect.stringMatching(/^nginx:/),
        restart: true,
      })),
    );
  });

  describe.each(sidecars)('%s', (_, { command = [], environment = {} }) => {
    test('its command and environment are accepted by the command line', async () => {
      const result = await runCli([...command, '--check-config'], { env: environment });
      expect(result).toEqual({ code: 0, stdout: 'ok\n', stderr: '' });
    });

    test('it registers in every registry of the file', async () => {
      const { stdout } = await runCli([...command, '--print-config', '--json'], { env: environment });
      const { registry } = JSON.parse(stdout) as { registry: string[] };
      expect(registry.map((url) => new URL(url).hostname)).toEqual(['zookeeper', 'consul']);
      expect(Object.keys(services)).toEqual(expect.arrayContaining(['zookeeper', 'consul']));
    });
  });

  test('the probed path and port are those of the nginx configuration', () => {
    const nginx = readText('examples/compose/nginx.conf');
    for (const [, { environment = {} }] of sidecars) {
      expect(nginx).toContain(`listen ${environment.PILOTFISH_PORT};`);
      expect(nginx).toContain(`location = ${environment.PILOTFISH_PROBE?.replace('http:', '')} {`);
    }
  });

  test('the caller runs a script that is mounted where it finds the package, and reads the same registries', () => {
    const { entrypoint, volumes, environment } = services.caller as ComposeService;
    expect(entrypoint).toEqual(['node', '/app/caller.mjs']);
    expect(volumes).toEqual(['./examples/compose/caller.mjs:/app/caller.mjs:ro']);
    const registries = own.map(([, service]) => service.environment?.PILOTFISH_REGISTRY);
    expect(new Set(registries)).toEqual(new Set([environment?.PILOTFISH_REGISTRY]));
  });
});

describe('prometheus.yml', () => {
  interface PrometheusFile {
    readonly scrape_configs: readonly {
      readonly static_configs: readonly { readonly targets: string[] }[];
    }[];
  }
  const { scrape_configs } = readYaml('examples/compose/prometheus.yml') as PrometheusFile;
  const targets = scrape_configs.flatMap((job) => job.static_configs).flatMap((config) => config.targets);

  test('every sidecar and the caller are scraped, by the name of the network they are in', () => {
    const expected = own.map(([name, { network_mode, environment = {} }]) => {
      const host = network_mode?.replace(/^service:/, '') ?? name;
      return `${host}:${environment.PILOTFISH_METRICS?.split(':').at(-1) ?? environment.PORT}`;
    });
    expect([...targets].sort()).toEqual(expected.sort());
  });
});
