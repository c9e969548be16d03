/** The Prometheus example: that its files say to each other what they have to. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { open } from '../../registry/open.js';
import { silentLogger } from '../../runtime/logger.js';
import { startSidecar } from '../../sidecar/daemon.js';
import { load } from '../helpers/config.js';
import { readYaml, type Services } from '../packaging/compose-file.js';

interface Job {
  readonly job_name: string;
  readonly http_sd_configs?: readonly { readonly url: string }[];
  readonly nerve_sd_configs?: readonly { readonly paths: readonly string[] }[];
  readonly serverset_sd_configs?: readonly { readonly paths: readonly string[] }[];
  readonly consul_sd_configs?: readonly { readonly services: readonly string[] }[];
}

const { scrape_configs: jobs } = readYaml('examples/prometheus/prometheus.yml') as {
  readonly scrape_configs: readonly Job[];
};
const { services } = readYaml('examples/prometheus/compose.yml') as { readonly services: Services };
const sidecar = services.sidecar?.environment ?? {};
const registries = (sidecar.PILOTFISH_REGISTRY ?? '').split(/\s+/);

test('there is one job for each way', () => {
  const ways = jobs.flatMap((job) => Object.keys(job).filter((key) => key.endsWith('_sd_configs')));
  expect(new Set(ways)).toEqual(
    new Set(['http_sd_configs', 'nerve_sd_configs', 'serverset_sd_configs', 'consul_sd_configs']),
  );
});

test('the sidecar writes to registries that there are, in the formats and at the paths that Prometheus reads', async () => {
  for (const url of registries) await (await open(url)).close();
  const pathOf = (format: string): string =>
    new URL(registries.find((url) => url.endsWith(`format=${format}`)) ?? '').pathname;
  const service = sidecar.PILOTFISH_SERVICE;
  expect(jobs.flatMap((job) => job.nerve_sd_configs ?? [])[0]?.paths).toEqual([
    `${pathOf('nerve')}/${service}`,
  ]);
  expect(jobs.flatMap((job) => job.serverset_sd_configs ?? [])[0]?.paths).toEqual([
    `${pathOf('serverset')}/${service}`,
  ]);
  expect(jobs.flatMap((job) => job.consul_sd_configs ?? [])[0]?.services).toEqual([service]);
});

test('what Prometheus asks the sidecar for, a sidecar answers', async () => {
  const { config } = await load({
    file: {
      registry: `local:${await mkdtemp(join(tmpdir(), 'pilotfish-'))}`,
      ...{ admin: '127.0.0.1:0', metrics: '127.0.0.1:0' },
      services: [{ name: 'web', port: 1, address: '127.0.0.1' }],
    },
  });
  const running = await startSidecar(config, { logger: silentLogger });
  const urls = jobs.flatMap((job) => job.http_sd_configs ?? []).map(({ url }) => new URL(url));
  expect(urls).toHaveLength(2);
  for (const { host, pathname, search } of urls) {
    expect(host).toBe(`sidecar:${sidecar.PILOTFISH_METRICS?.split(':')[1]}`);
    const answer = await fetch(`${running.metricsUrl}${pathname}${search}`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toBeInstanceOf(Array);
  }
  await running.close();
});
