/** What every sidecar's admin server answers. All it says comes from functions; it knows no other part. */

import type { Clock } from '../runtime/clock.js';
import { printable } from '../runtime/printable.js';
import { type AdminReply, type AdminRequest, type AdminRoute, json, problem } from './admin-route.js';
import { parseHeartbeat } from './heartbeat.js';
import type { BeatStatus } from './probes/ttl.js';
import { RateLimit } from './rate-limit.js';

export interface AdminSources {
  readonly clock: Clock;
  /** The metrics in Prometheus' text form, and its content type. */
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>;
  /** Why the sidecar is not where its configuration wants it, one sentence each; empty when it is. */
  readonly unreadyReasons: () => readonly string[];
  /** Anything that JSON can hold. */
  readonly status: () => unknown;
  /** What a heartbeat of that service must carry; undefined for nothing of its own, or when there is none. */
  readonly heartbeatSecret: (service: string) => string | undefined;
  /** Takes a service's heartbeat. False when there is no such service, or it has no TTL probe. */
  readonly beat: (service: string, status: BeatStatus, note: string, inFlight: number | undefined) => boolean;
}

/** Heartbeats a service may send per second, and at once after a pause. */
const BEATS = { perSecond: 10, burst: 20 };

/**
 * - `GET /metrics`
 * - `GET /healthz`: 200 while the sidecar itself runs.
 * - `GET /readyz`: 200 when everything is where its configuration wants it, else 503 with `reasons`.
 * - `GET /v1/status`
 * - `PUT /v1/heartbeat/{service}`: 204, or 404, 413, 415, 429 with `error`, 400 with `error` or `errors`.
 *
 * Where there is a token, all need it but `/healthz`; a heartbeat of a service with a secret needs that instead.
 */
export function standardRoutes(sources: AdminSources): readonly AdminRoute[] {
  const limit = new RateLimit(BEATS, sources.clock);
  return [
    ...readOnlyRoutes(sources.metrics),
    { method: 'GET', path: '/readyz', handle: () => readiness(sources.unreadyReasons()) },
    { method: 'GET', path: '/v1/status', handle: () => json(200, sources.status()) },
    {
      method: 'PUT',
      path: '/v1/heartbeat/{service}',
      secret: ({ service }) => sources.heartbeatSecret(service as string),
      handle: (request) => heartbeat(request, sources.beat, limit),
    },
  ];
}

/** The part that anybody may read: `GET /metrics` and `GET /healthz`. */
export function readOnlyRoutes(metrics: AdminSources['metrics']): readonly AdminRoute[] {
  return [
    { method: 'GET', path: '/metrics', handle: async () => ({ status: 200, body: await metrics() }) },
    { method: 'GET', path: '/healthz', isOpen: true, handle: () => json(200, { status: 'ok' }) },
  ];
}

/** Whether it is ready, without the reasons, which are the operator's. */
export function readyRoute(isReady: () => boolean): AdminRoute {
  return {
    method: 'GET',
    path: '/readyz',
    handle: () => {
      const ready = isReady();
      return json(ready ? 200 : 503, { ready });
    },
  };
}

function readiness(reasons: readonly string[]): AdminReply {
  const ready = reasons.length === 0;
  return json(ready ? 200 : 503, { ready, reasons });
}

function heartbeat(request: AdminRequest, beat: AdminSources['beat'], limit: RateLimit): AdminReply {
  const service = request.params.service as string;
  const parsed = parseHeartbeat(request);
  if (!parsed.ok) return parsed.error;
  if (!limit.allows(service)) return problem(429, `expected at most ${BEATS.perSecond} heartbeats a second`);
  const { status, note, inFlight } = parsed.value;
  if (!beat(service, status, note, inFlight)) {
    return problem(
      404,
      `expected a service of this sidecar with a ttl probe, got "${printable(service, 80)}"`,
    );
  }
  limit.charge(service);
  return { status: 204 };
}
