/**
 * What Prometheus is to scrape, in the form of its `http_sd_configs`: the services of this sidecar, or those of any
 * service that its registries know. A list that cannot be had is an error and never an empty list, because Prometheus
 * keeps what it has on an error and drops everything on an empty list.
 */
import type { Instance } from '../registry/contract.js';
import { isName, NAME_RULE } from '../registry/instance.js';
import { describe } from '../runtime/expected.js';
import { formatHostPort } from '../runtime/host-port.js';
import { type AdminReply, type AdminRoute, json, problem } from './admin-route.js';
import { type FollowedLists, MAX_FOLLOWED } from './followed-lists.js';

/** One target with its labels; more in one group would have to share them. */
export interface TargetGroup {
  readonly targets: readonly [string];
  readonly labels: Readonly<Record<string, string>>;
}

/** An instance, and how it stands: as it is listed, or what its probes say when it is not listed. */
export interface Target {
  readonly instance: Instance;
  readonly status: string;
}

export interface PrometheusSources {
  /** The services of this sidecar, listed or not: one that fails is scraped as well. */
  readonly own: () => readonly Target[];
  readonly lists: Pick<FollowedLists, 'read' | 'hasRoomFor'>;
}

const PREFIX = '__meta_pilotfish_';

/**
 * `GET /v1/prometheus/sd`: the sidecar's own services. `?service=a&service=b`: all instances of these in its registries,
 * as last known. 400 for what is no name, 429 for too many names, 503 while a list was never read.
 */
export function prometheusRoute({ own, lists }: PrometheusSources): AdminRoute {
  return {
    method: 'GET',
    path: '/v1/prometheus/sd',
    handle: ({ query }) => {
      const services = [...new Set(query.getAll('service'))];
      return services.length === 0 ? json(200, own().map(targetGroup)) : listed(services, lists);
    },
  };
}

async function listed(services: readonly string[], lists: PrometheusSources['lists']): Promise<AdminReply> {
  const wrong = services.find((service) => !isName(service));
  if (wrong !== undefined) return problem(400, `expected ${NAME_RULE}, got ${describe(wrong)}, at service`);
  if (!lists.hasRoomFor(services)) {
    return problem(429, `expected no more than ${MAX_FOLLOWED} services within ten minutes`);
  }
  const found = await Promise.all(services.map((service) => lists.read(service)));
  const missing = services.filter((_, at) => found[at] === undefined);
  if (missing.length > 0) return problem(503, `expected a list of ${missing.join(', ')}, got none yet`);
  const instances = found.flatMap((list) => list ?? []);
  return json(
    200,
    instances.map((instance) => targetGroup({ instance, status: instance.status })),
  );
}

/** Labels that would be empty are left out, which is the same to Prometheus. */
export function targetGroup({ instance, status }: Target): TargetGroup {
  const { service, id, endpoint, weight, zone, version, note, tags, metadata } = instance;
  const about = { service, id, status, weight: `${weight}`, zone, version, note, tags: joined(tags) };
  const labels: Record<string, string> = {};
  for (const [name, value] of Object.entries(about)) if (value) labels[`${PREFIX}${name}`] = value;
  for (const [key, value] of Object.entries(metadata)) {
    labels[`${PREFIX}metadata_${key.replaceAll(/[^A-Za-z0-9_]/g, '_')}`] = value;
  }
  return { targets: [formatHostPort(endpoint)], labels };
}

/** A comma before and after each, so that `.*,blue,.*` finds one wherever it stands, as with Consul. */
function joined(tags: readonly string[]): string {
  return tags.length === 0 ? '' : `,${tags.join(',')},`;
}
