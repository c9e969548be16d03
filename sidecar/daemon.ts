/**
 * The composition root of the sidecar: opens the registries, starts the services and the admin server, wires the
 * metrics to them from outside, and takes everything down again in the right order.
 */

import type { Registry } from '../registry/contract.js';
import { type Clock, systemClock } from '../runtime/clock.js';
import { CloseStack } from '../runtime/close-stack.js';
import { isPilotfishError, messageOf, PilotfishError } from '../runtime/errors.js';
import type { HostPort } from '../runtime/host-port.js';
import type { Logger } from '../runtime/logger.js';
import { printable } from '../runtime/printable.js';
import { type Random, systemRandom } from '../runtime/random.js';
import { type Admin, startAdmin } from './admin.js';
import type { AdminRoute } from './admin-route.js';
import { standardRoutes } from './admin-routes.js';
import { readBearerSecret } from './bearer.js';
import type { SidecarConfig } from './config/config.js';
import type { LoadedConfig } from './config/load.js';
import { type Difference, keyOf } from './difference.js';
import type { DrainSettings } from './drain.js';
import { Fleet, type FleetContext } from './fleet.js';
import { FollowedLists } from './followed-lists.js';
import { type Log, openLog } from './log.js';
import { LoopLag } from './loop-lag.js';
import { SidecarMetrics } from './metrics.js';
import { startMetricsServer } from './metrics-server.js';
import { operatorRoutes } from './operator-routes.js';
import { planServices } from './plan.js';
import { prometheusRoute, type Target } from './prometheus-sd.js';
import { Registries } from './registries.js';
import { type ReloadReport, type ReloadResult, reloader } from './reload.js';
import { reachable, restartOnly } from './restart-only.js';
import type { Service } from './service.js';

const STDOUT_FD = 1;

export interface SidecarOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  /** Default: JSON lines on standard output at the configured level. */
  readonly logger?: Logger;
  /** Lines of that log which nobody will read, for the metrics. Default: those of the default log. */
  readonly droppedLogLines?: () => number;
  /** Reads the configuration again, for `reload`. Default: there is nothing to reload. */
  readonly load?: () => Promise<LoadedConfig>;
}

export interface Sidecar {
  /** `http://127.0.0.1:9190`, with the port that was really taken, or `unix:/path`. */
  readonly adminUrl: string;
  /** What requests to it must carry; undefined for nothing. */
  readonly adminToken: string | undefined;
  /** Where other hosts may read the metrics; undefined when the configuration does not ask for it. */
  readonly metricsUrl: string | undefined;
  /** The one that is applied. */
  readonly config: SidecarConfig;
  /** The text of `/v1/status` as an object. */
  readonly status: () => unknown;
  /**
   * Takes every service out without losing a request: marked as draining, deregistered, its work finished; see
   * `drain.ts`. The sidecar goes on, without reloads; `close` ends it. False when `timeoutMs`, default as configured, was
   * not enough.
   */
  readonly drain: (cause: string, limits?: Partial<Pick<DrainSettings, 'timeoutMs'>>) => Promise<boolean>;
  /** Applies what has changed in the configuration, or nothing at all; refused once it drains. Undefined without `load`. */
  readonly reload: (() => Promise<ReloadResult>) | undefined;
  /**
   * Deregisters everything at once, has it confirmed, then ends the rest. Idempotent. Rejects TIMEOUT, after everything
   * has ended all the same, when a registry did not confirm within 10 s.
   */
  readonly close: () => Promise<void>;
}

/**
 * Starts the sidecar and returns once its admin server listens; registering goes on in the background for as long as
 * it takes. Throws BAD_INPUT or DRIVER_MISSING, with nothing registered, when the configuration cannot work here.
 */
export async function startSidecar(config: SidecarConfig, options: SidecarOptions = {}): Promise<Sidecar> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom();
  const closers = new CloseStack();
  const { logger, droppedLines } = logOf(options, config, clock, closers);
  try {
    const lag = new LoopLag(clock);
    closers.defer(() => lag.close());
    const metrics = new SidecarMetrics({ clock, lag });
    metrics.observeLog(droppedLines);
    return await start(config, options, { clock, random, logger, lag, metrics }, closers);
  } catch (error) {
    await closers.close().catch(() => {});
    throw error;
  }
}

async function start(
  config: SidecarConfig,
  { load }: SidecarOptions,
  context: FleetContext,
  closers: CloseStack,
): Promise<Sidecar> {
  const { clock, logger, metrics } = context;
  const registries = new Registries(context);
  const fleet = new Fleet(context);
  const state = { config };
  metrics.observeOperators(() => fleet.operated());
  const plans = await planServices(config, context);
  await registries.open(config.registries);
  closers.defer(() => registries.close());
  const lists = new FollowedLists(() => registries.of(state.config.registries), context);
  closers.defer(() => lists.close());
  const discovery = prometheusRoute({ own: () => fleet.services.map(targetOf), lists });

  const apply = async ({ config: next, warnings }: LoadedConfig): Promise<ReloadReport> => {
    // Of use at the next start only, and a file that cannot be read would be found when nobody looks.
    await adminToken(next);
    const services = await planServices(next, context);
    await registries.open(next.registries);
    const { difference, left } = await fleet.apply({
      ...reachable(config, next),
      services,
      registries: registries.of(next.registries),
    });
    const later = restartOnly(config, next);
    state.config = next;
    // A later reload may want them again, and then it is that one's turn.
    void left.then(() => (state.config === next ? registries.closeAllBut(next.registries) : undefined));
    return { ...namesIn(difference), warnings: [...warnings, ...later] };
  };
  const onEnd = (result: 'ok' | 'error'): void => metrics.reloaded(result);
  const reload = load && reloader({ load, apply, isEnding: () => fleet.isEnding, onEnd, logger });
  const status = () => ({
    registries: registries.all.map(describeRegistry),
    services: fleet.services.map((service) => service.status()),
  });

  const unreadyReasons = () => fleet.services.flatMap((service) => service.unreadyReasons());
  const token = await adminToken(config);
  const starting = startAdmin({
    address: config.admin,
    token,
    clock,
    logger,
    routes: [
      ...standardRoutes({
        clock,
        metrics: () => metrics.text(),
        unreadyReasons,
        status,
        heartbeatSecret: (name) => fleet.find(name)[0]?.plan.heartbeatSecret,
        beat: (name, ...beat) => fleet.find(name).filter((service) => service.beat(...beat)).length > 0,
      }),
      ...operatorRoutes({
        clock,
        find: (name, id) => fleet.find(name, id),
        drainSettings: () => state.config.drain,
        reload,
      }),
      discovery,
    ],
  });
  const admin = await listening('admin', starting);
  closers.defer(() => admin.close());
  const isReady = (): boolean => unreadyReasons().length === 0;
  const metricsUrl =
    config.metrics && (await serveMetrics(config.metrics, { discovery, isReady }, context, closers));
  closers.defer(() => fleet.close());
  await fleet.apply({ ...config, services: plans, registries: registries.of(config.registries) });
  const names = fleet.services.map(({ name }) => name);
  logger.info({ admin: admin.url, metrics: metricsUrl, services: names }, 'the sidecar runs');
  return {
    adminUrl: admin.url,
    adminToken: token,
    metricsUrl,
    get config() {
      return state.config;
    },
    status,
    drain: (cause, limits = {}) => fleet.drain(cause, { ...state.config.drain, ...limits }),
    reload,
    close: () => closers.close(),
  };
}

/** The server, or an error that names the setting. Two sidecars on one host are the usual reason. */
async function listening(setting: 'admin' | 'metrics', starting: Promise<Admin>): Promise<Admin> {
  try {
    return await starting;
  } catch (error) {
    if (isPilotfishError(error)) throw error;
    const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
    const hint = isTaken ? '; each sidecar of a host needs one of its own' : '';
    const message = `cannot listen where ${setting} says: ${messageOf(error)}${hint}`;
    throw new PilotfishError('UNAVAILABLE', message, { cause: error });
  }
}

function logOf(
  { logger, droppedLogLines = () => 0 }: SidecarOptions,
  { logLevel: level }: SidecarConfig,
  clock: Clock,
  closers: CloseStack,
): Pick<Log, 'logger' | 'droppedLines'> {
  if (logger !== undefined) return { logger, droppedLines: droppedLogLines };
  const log = openLog({ level, clock, fd: STDOUT_FD });
  closers.defer(log.close);
  return log;
}

function namesIn({ added, changed, ...rest }: Difference): Omit<ReloadReport, 'warnings'> {
  return { ...rest, added: added.map(keyOf), changed: changed.map(keyOf) };
}

async function adminToken({ adminTokenFile: file }: SidecarConfig): Promise<string | undefined> {
  return file === undefined ? undefined : readBearerSecret(file, 'adminTokenFile');
}

/** Returns the URL with the port that was really taken. */
async function serveMetrics(
  address: HostPort,
  answers: { readonly discovery: AdminRoute; readonly isReady: () => boolean },
  { clock, logger, metrics }: FleetContext,
  closers: CloseStack,
): Promise<string> {
  const starting = startMetricsServer({
    ...{ ...address, ...answers, clock, logger },
    metrics: () => metrics.text(),
  });
  const server = await listening('metrics', starting);
  closers.defer(() => server.close());
  return server.url;
}

function targetOf(service: Service): Target {
  const listed = service.desired();
  return { instance: listed ?? service.plan.instance, status: listed?.status ?? service.health.state };
}

function describeRegistry({ kind, url, state, trouble, ttlMs }: Registry): object {
  return {
    ...{ kind, url, state },
    ...(trouble !== undefined && { trouble: printable(trouble) }),
    ...(ttlMs !== undefined && { session: { timeoutMs: ttlMs } }),
  };
}
