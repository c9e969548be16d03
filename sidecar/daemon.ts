/**
 * The composition root of the sidecar: opens the registries, starts the services and the admin server, wires the
 * metrics to them from outside, and takes everything down again in the right order.
 */

import type { Registry } from '../registry/contract.js';
import { openWritable } from '../registry/open.js';
import { linkedAbort } from '../runtime/abort.js';
import { type Clock, systemClock } from '../runtime/clock.js';
import { CloseStack } from '../runtime/close-stack.js';
import { PilotfishError } from '../runtime/errors.js';
import type { HostPort } from '../runtime/host-port.js';
import type { Logger } from '../runtime/logger.js';
import { type Random, systemRandom } from '../runtime/random.js';
import { startAdmin } from './admin.js';
import { standardRoutes } from './admin-routes.js';
import { Announcer } from './announcer.js';
import type { SidecarConfig } from './config/config.js';
import { createLogger } from './log.js';
import { LoopLag } from './loop-lag.js';
import { SidecarMetrics } from './metrics.js';
import { startMetricsServer } from './metrics-server.js';
import { planServices, type ServicePlan } from './plan.js';
import { Prober } from './prober.js';
import { Service } from './service.js';
import { ServiceHealth } from './service-health.js';

/** How long a stop waits for the registries to confirm. An entry that could not be removed ends with its TTL. */
const WITHDRAW_LIMIT_MS = 10_000;

export interface SidecarOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  /** Default: JSON lines on standard output at the configured level. */
  readonly logger?: Logger;
}

export interface Sidecar {
  /** Such as `http://127.0.0.1:9190`, with the port that was really taken. */
  readonly adminUrl: string;
  /** Where other hosts may read the metrics; undefined when the configuration does not ask for it. */
  readonly metricsUrl: string | undefined;
  /**
   * Deregisters everything, has it confirmed, then ends the rest. Idempotent. Rejects TIMEOUT, after everything has
   * ended all the same, when a registry did not confirm within 10 s.
   */
  readonly close: () => Promise<void>;
}

interface Context {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly lag: LoopLag;
  readonly metrics: SidecarMetrics;
  readonly registries: readonly Registry[];
}

/**
 * Starts the sidecar and returns once its admin server listens; registering goes on in the background for as long as
 * it takes. Throws BAD_INPUT or DRIVER_MISSING, with nothing registered, when the configuration cannot work here.
 */
export async function startSidecar(config: SidecarConfig, options: SidecarOptions = {}): Promise<Sidecar> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom();
  const logger = options.logger ?? createLogger({ level: config.logLevel, clock });
  const closers = new CloseStack();
  try {
    const lag = new LoopLag(clock);
    closers.defer(() => lag.close());
    const metrics = new SidecarMetrics({ clock, lag });
    const plans = await planServices(config, { clock, logger });
    const registries = await openAll(config.registries, { clock, random, logger }, metrics, closers);
    const services: Service[] = [];
    const admin = await startAdmin({
      ...config.admin,
      clock,
      logger,
      routes: standardRoutes({
        clock,
        metrics: () => metrics.text(),
        unreadyReasons: () => services.flatMap((service) => service.unreadyReasons()),
        status: () => ({
          registries: registries.map(describeRegistry),
          services: services.map((s) => s.status()),
        }),
        beat: (name, status, note) =>
          services.filter((s) => s.name === name && s.beat(status, note)).length > 0,
      }),
    });
    closers.defer(() => admin.close());
    const metricsUrl =
      config.metrics && (await serveMetrics(config.metrics, { clock, logger, metrics }, closers));
    const context = { clock, random, logger, lag, metrics, registries };
    closers.defer(() => withdrawAll(services, context));
    services.push(...plans.map((plan) => startService(plan, context)));
    const names = services.map(({ name }) => name);
    logger.info({ admin: admin.url, metrics: metricsUrl, services: names }, 'the sidecar runs');
    return { adminUrl: admin.url, metricsUrl, close: () => closers.close() };
  } catch (error) {
    await closers.close().catch(() => {});
    throw error;
  }
}

/** Returns the URL with the port that was really taken. */
async function serveMetrics(
  address: HostPort,
  { clock, logger, metrics }: Pick<Context, 'clock' | 'logger' | 'metrics'>,
  closers: CloseStack,
): Promise<string> {
  const server = await startMetricsServer({ ...address, clock, logger, metrics: () => metrics.text() });
  closers.defer(() => server.close());
  return server.url;
}

async function openAll(
  urls: readonly string[],
  context: Pick<Context, 'clock' | 'random' | 'logger'>,
  metrics: SidecarMetrics,
  closers: CloseStack,
): Promise<readonly Registry[]> {
  const registries: Registry[] = [];
  for (const url of urls) {
    const registry = await openWritable(url, context);
    closers.defer(() => registry.close());
    metrics.registryState(url, registry.state);
    registry.onState((state) => {
      metrics.registryState(url, state);
      context.logger.info({ registry: url, state }, 'the registry connection changed');
    });
    registries.push(registry);
  }
  return registries;
}

function startService({ instance, require, probes }: ServicePlan, context: Context): Service {
  const { metrics } = context;
  const labels = { service: instance.service, id: instance.id };
  const probers = probes.map(({ probe, config }) => new Prober(probe, config, context));
  const health = new ServiceHealth(instance.service, probers, require);
  metrics.observeServiceHealth(labels, health);
  const announcers = context.registries.map((registry) => {
    const announcer = new Announcer(registry, instance.service, context);
    const report = (): void => metrics.registered(labels, registry.url, announcer.confirmed !== undefined);
    report();
    announcer.onChange(report);
    announcer.onOperation(({ operation, result }) =>
      metrics.registryOperation(registry.url, operation, result),
    );
    return announcer;
  });
  return new Service(instance, health, announcers, context);
}

async function withdrawAll(services: readonly Service[], { clock, logger }: Context): Promise<void> {
  const limit = linkedAbort();
  const cancel = clock.after(WITHDRAW_LIMIT_MS, () =>
    limit.abort(new PilotfishError('TIMEOUT', 'took too long')),
  );
  const results = await Promise.all(
    services.map((service) => service.withdraw('the sidecar stops', limit.signal)),
  );
  cancel();
  const late = results.flatMap(({ unconfirmed }) => unconfirmed);
  if (late.length === 0) return;
  logger.error(
    { unconfirmed: late },
    'could not confirm that everything is deregistered; it ends with its TTL',
  );
  throw new PilotfishError('TIMEOUT', `not confirmed as deregistered: ${late.join(', ')}`);
}

function describeRegistry({ kind, url, state }: Registry): object {
  return { kind, url, state };
}
