/**
 * A name resolver for `@grpc/grpc-js`: gRPC balances each call itself over long-lived connections, so it is told the list
 * and each change of it, and picks by its own policy.
 */
import { messageOf } from '../../runtime/errors.js';
import type { Services } from '../http/services.js';
import { eligible } from '../policies/weights.js';
import type { ServiceHandle } from '../service-handle.js';
import type {
  Grpc,
  GrpcEndpoint,
  GrpcListener,
  GrpcListenerObject,
  GrpcResolver,
  GrpcServiceConfig,
  GrpcStatus,
  GrpcTarget,
} from './grpc-types.js';

export interface GrpcResolverOptions {
  /** The scheme of targets. Default `pilotfish`. */
  readonly scheme?: string;
  /** The balancing policy of gRPC, by its name. Default `round_robin`. */
  readonly policy?: string;
  /** How long a channel waits for the first list before calls fail, in milliseconds. Default 10000. */
  readonly readyTimeoutMs?: number;
}

/**
 * Teaches gRPC the targets `pilotfish:///SERVICE`, for the whole process. Weights are not known to gRPC; endpoints that drain
 * or are in maintenance are left out, as they are of a pick. While a list is stale gRPC keeps it.
 *
 * @param grpc The module `@grpc/grpc-js`, as the caller imports it.
 * @param discovery Stays the caller's. When it closes, channels keep the last list.
 */
export function registerGrpcResolver(
  grpc: Grpc,
  discovery: Services,
  { scheme = 'pilotfish', policy = 'round_robin', readyTimeoutMs = 10_000 }: GrpcResolverOptions = {},
): void {
  const serviceConfig = { loadBalancingConfig: [{ [policy]: {} }], methodConfig: [] };

  class Resolver extends ServiceResolver {
    constructor(target: GrpcTarget, listener: GrpcListener | GrpcListenerObject) {
      super(discovery, serviceOf(target), reporter(grpc, listener, serviceConfig), readyTimeoutMs);
    }

    static getDefaultAuthority(target: GrpcTarget): string {
      return serviceOf(target);
    }
  }

  grpc.experimental.registerResolver(scheme, Resolver);
}

/** To whom a list or the lack of one is told. */
interface Reporter {
  endpoints(list: GrpcEndpoint[]): void;
  unavailable(why: string): void;
}

/** Follows one service from the first `updateResolution` to `destroy`. */
class ServiceResolver implements GrpcResolver {
  readonly #services: Services;
  readonly #service: string;
  readonly #reporter: Reporter;
  readonly #readyTimeoutMs: number;
  #wanted = false;
  #handle: ServiceHandle | undefined;

  constructor(services: Services, service: string, reporter: Reporter, readyTimeoutMs: number) {
    this.#services = services;
    this.#service = service;
    this.#reporter = reporter;
    this.#readyTimeoutMs = readyTimeoutMs;
  }

  /**
   * Never answers before it returns, as gRPC wants it. gRPC asks again whenever a connection breaks; the list is watched
   * all the time, so only the first call counts.
   */
  updateResolution(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    queueMicrotask(() => this.#begin());
  }

  destroy(): void {
    this.#wanted = false;
    void this.#handle?.close();
    this.#handle = undefined;
  }

  #begin(): void {
    if (!this.#wanted) return;
    try {
      const handle = this.#services.service(this.#service);
      this.#handle = handle;
      handle.onChange(() => this.#report(handle));
      if (handle.snapshot !== undefined) this.#report(handle);
      else void this.#first(handle);
    } catch (error) {
      this.#reporter.unavailable(messageOf(error));
    }
  }

  async #first(handle: ServiceHandle): Promise<void> {
    try {
      await handle.ready({ timeoutMs: this.#readyTimeoutMs, minEndpoints: 0 });
    } catch (error) {
      if (this.#handle === handle) this.#reporter.unavailable(messageOf(error));
    }
  }

  #report({ service, snapshot }: ServiceHandle): void {
    const list = eligible(snapshot?.instances ?? []).map(({ endpoint: { host, port } }) => ({
      addresses: [{ host, port }],
    }));
    if (list.length === 0) this.#reporter.unavailable(`${service} has no usable endpoint`);
    else this.#reporter.endpoints(list);
  }
}

/** The path is the name; versions differ in whether it has the slash before it. */
function serviceOf({ path }: GrpcTarget): string {
  return path.replace(/^\//, '');
}

function reporter(
  { Metadata, status }: Grpc,
  listener: GrpcListener | GrpcListenerObject,
  config: GrpcServiceConfig,
): Reporter {
  const failure = (details: string): GrpcStatus => ({
    code: status.UNAVAILABLE,
    details,
    metadata: new Metadata(),
  });
  if (typeof listener !== 'function') {
    return {
      endpoints: (list) => listener.onSuccessfulResolution(list, config, null, null, {}),
      unavailable: (why) => listener.onError(failure(why)),
    };
  }
  return {
    endpoints: (value) => listener({ ok: true, value }, {}, { ok: true, value: config }, ''),
    unavailable: (why) => listener({ ok: false, error: failure(why) }, {}, null, ''),
  };
}
