/**
 * A second HTTP server, for a Prometheus or a kubelet on another host or in another container. It may listen where the
 * admin server must not, because it answers `GET /metrics`, `GET /v1/prometheus/sd`, `GET /healthz` and `GET /readyz` and
 * nothing else: no status, no heartbeats, nothing that changes anything. Whoever can reach it may read it, under whatever
 * name they know this host by.
 */
import type { Clock } from '../runtime/clock.js';
import type { HostPort } from '../runtime/host-port.js';
import type { Logger } from '../runtime/logger.js';
import { type Admin, startAdmin } from './admin.js';
import type { AdminRoute } from './admin-route.js';
import { type AdminSources, readOnlyRoutes, readyRoute } from './admin-routes.js';

export interface MetricsServerOptions extends HostPort {
  readonly metrics: AdminSources['metrics'];
  readonly isReady: () => boolean;
  /** What Prometheus is to scrape. */
  readonly discovery: AdminRoute;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Listens. Rejects with the system's error when the address cannot be had. */
export function startMetricsServer(options: MetricsServerOptions): Promise<Admin> {
  const { host, port, metrics, isReady, discovery, clock, logger } = options;
  const routes = [...readOnlyRoutes(metrics), readyRoute(isReady), discovery];
  return startAdmin({ address: { host, port }, routes, clock, logger, allowedHosts: 'any' });
}
