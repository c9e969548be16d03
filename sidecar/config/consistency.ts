/**
 * What no single value shows: two services with one id, two probes with one name, a host name nobody allowed, and the
 * combinations that work but are most likely not meant.
 */
import { isIP } from 'node:net';
import { formatDuration } from '../../runtime/duration.js';
import { describe, type Problem } from '../../runtime/expected.js';
import { formatHostPort } from '../../runtime/host-port.js';
import { formatListenAddress, isSocketFile } from '../../runtime/listen-address.js';
import { isSharedRegistry } from '../address.js';
import { kindOf } from '../address-kind.js';
import type { ProbeConfig, ServiceConfig, SidecarConfig } from './config.js';
import type { Path } from './problems.js';

type Label = (path: Path) => string;

/** Contradictions, each with its place. Empty when there is none. */
export function contradictionsIn(config: SidecarConfig, label: Label): readonly Problem[] {
  const services = repeated(config.services, ({ name, id }) => JSON.stringify([name, id])).map((index) => ({
    path: label(['services', index, 'id']),
    expected: 'an id that no other entry of the service has',
    got: describe(config.services[index]?.id),
  }));
  const probes = config.services.flatMap(({ probes }, index) =>
    probeProblems(probes, ['services', index, 'probes'], label),
  );
  const requirements = config.services.flatMap((service, index) =>
    requirementProblems(service, ['services', index], label),
  );
  return [
    ...services,
    ...probes,
    ...forbiddenExecProbes(config, label),
    ...requirements,
    ...adminProblems(config, label),
    ...secretProblems(config, label),
    ...metricsProblems(config, label),
  ];
}

/** What starts programs has to be allowed, by the one who writes the file. */
function forbiddenExecProbes({ enableExecProbe, services }: SidecarConfig, label: Label): readonly Problem[] {
  if (enableExecProbe) return [];
  const expected = '"enableExecProbe: true" at the top level of the file beside a probe of type exec';
  return services.flatMap(({ probes }, i) =>
    probes.flatMap(({ type }, j) =>
      type === 'exec' ? [{ path: label(['services', i, 'probes', j, 'type']), expected, got: 'none' }] : [],
    ),
  );
}

/** A service must be able to pass, and something must be able to say so. */
function requirementProblems(
  { require, probes }: ServiceConfig,
  path: Path,
  label: Label,
): readonly Problem[] {
  const deciding = probes.filter(({ advisory }) => !advisory).length;
  if (deciding === 0) {
    const expected = 'at least one probe that is not advisory';
    return [{ path: label([...path, 'probes']), expected, got: describe(probes) }];
  }
  if (typeof require === 'string' || require.atLeast <= deciding) return [];
  const expected = `a number up to ${deciding}, as there are no more probes that decide`;
  return [{ path: label([...path, 'require', 'atLeast']), expected, got: describe(require.atLeast) }];
}

/** Whoever can reach the admin server can take services off the list; on loopback and sockets the host decides. */
function adminProblems({ admin, adminTokenFile }: SidecarConfig, label: Label): readonly Problem[] {
  if (adminTokenFile !== undefined || isSocketFile(admin) || kindOf(admin.host) === 'loopback') return [];
  const expected = 'a loopback address, a unix socket, or adminTokenFile beside it';
  return [{ path: label(['admin']), expected, got: describe(formatListenAddress(admin)) }];
}

/** A heartbeat names the service, not one of its instances. */
function secretProblems({ services }: SidecarConfig, label: Label): readonly Problem[] {
  return services.flatMap(({ name, heartbeatSecretFile }, index) => {
    const first = services.find((other) => other.name === name);
    if (first?.heartbeatSecretFile === heartbeatSecretFile) return [];
    const expected = 'the same file in every entry of the service';
    const path = label(['services', index, 'heartbeatSecretFile']);
    return [{ path, expected, got: describe(heartbeatSecretFile) }];
  });
}

/** Two servers on one port; an unspecified address takes it on every address. */
function metricsProblems({ admin, metrics }: SidecarConfig, label: Label): readonly Problem[] {
  if (metrics === undefined || isSocketFile(admin)) return [];
  if (metrics.port === 0 || metrics.port !== admin.port) return [];
  if (metrics.host !== admin.host && kindOf(metrics.host) !== 'unspecified') return [];
  const expected = `a port other than that of the admin server, ${formatHostPort(admin)}`;
  return [{ path: label(['metrics']), expected, got: describe(formatHostPort(metrics)) }];
}

/** The places of those whose key some earlier one has. */
function repeated<T>(items: readonly T[], keyOf: (item: T) => string): readonly number[] {
  const seen = new Set<string>();
  return items.flatMap((item, index) => {
    const key = keyOf(item);
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew ? [] : [index];
  });
}

function probeProblems(probes: readonly ProbeConfig[], path: Path, label: Label): readonly Problem[] {
  const names = repeated(probes, ({ name }) => name).map((index) => ({
    path: label([...path, index, 'name']),
    expected: 'a name that no other probe of the service has',
    got: describe(probes[index]?.name),
  }));
  const hosts = probes.flatMap((probe, index) => {
    if (!('host' in probe) || probe.resolve || isIP(probe.host) !== 0) return [];
    const expected = 'an IP address, or "resolve: true" beside a host name';
    return [{ path: label([...path, index, 'host']), expected, got: describe(probe.host) }];
  });
  const bodies = probes.flatMap((probe, index) => {
    if (probe.type !== 'http' || probe.method !== 'HEAD' || probe.expectBody === undefined) return [];
    const expected = 'nothing beside the method HEAD, whose answers have no body';
    return [{ path: label([...path, index, 'expectBody']), expected, got: describe(probe.expectBody) }];
  });
  return [...names, ...hosts, ...bodies];
}

/** What works but is most likely not meant, one sentence each. */
export function warningsFor(config: SidecarConfig): readonly string[] {
  const shared = config.registries.filter(isSharedRegistry);
  return config.services.flatMap((service) => [
    ...addressWarnings(service, shared),
    ...probeWarnings(service),
  ]);
}

function addressWarnings({ name, address }: ServiceConfig, shared: readonly string[]): readonly string[] {
  if (address.type !== 'given' || shared.length === 0 || kindOf(address.host) === 'usable') return [];
  const kind = kindOf(address.host);
  return [
    `${name}: the address ${address.host} is ${kind}, other hosts that read ${shared.join(', ')} cannot reach it`,
  ];
}

function probeWarnings({ name, probes }: ServiceConfig): readonly string[] {
  return probes
    .filter(({ type, timeoutMs, intervalMs }) => type !== 'ttl' && timeoutMs >= intervalMs)
    .map(({ name: probe, timeoutMs, intervalMs }) => {
      const [timeout, interval] = [formatDuration(timeoutMs), formatDuration(intervalMs)];
      return `${name}: the timeout ${timeout} of probe ${probe} is not below its interval ${interval}, a slow check delays the next`;
    });
}
