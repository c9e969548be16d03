/**
 * The dispatcher as undici and fetch know one: everything that undici can do with a dispatcher it can do with this one,
 * because only `dispatch`, `close` and `destroy` differ from undici's own.
 */
import type { Dispatcher } from 'undici';
import type { DispatcherOptions } from './options.js';
import { Router } from './router.js';
import type { Services } from './services.js';
import { loadUndici } from './undici.js';

/** What the types of the built-in `fetch` call a dispatcher: that of another version of undici. */
type BuiltInDispatcher = RequestInit extends { dispatcher?: infer D } ? NonNullable<D> : unknown;

/** Fits `{ dispatcher }` of the built-in fetch and of undici alike. */
export type ServiceDispatcher = Dispatcher & BuiltInDispatcher;

export interface OpenDispatcher {
  readonly dispatcher: ServiceDispatcher;
  /** Ends it, within the `closeTimeoutMs` of its options. */
  readonly close: () => Promise<void>;
}

/** Throws DRIVER_MISSING where undici is not installed, BAD_INPUT for options that make no sense. */
export function openDispatcher(services: Services, options: DispatcherOptions): OpenDispatcher {
  const undici = loadUndici();
  const router = new Router(services, undici, options);
  const dispatcher = new (class PilotfishDispatcher extends undici.Dispatcher {
    override dispatch(request: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
      router.dispatch(request, handler);
      return true;
    }

    override close(): Promise<void>;
    override close(callback: () => void): void;
    override close(callback?: () => void): Promise<void> {
      return answered(router.close(), callback);
    }

    override destroy(error?: Error | null): Promise<void>;
    override destroy(callback: () => void): void;
    override destroy(error: Error | null, callback: () => void): void;
    override destroy(
      error?: Error | null | (() => void),
      callback: (() => void) | undefined = typeof error === 'function' ? error : undefined,
    ): Promise<void> {
      return answered(router.destroy(), callback);
    }
  })();
  return { dispatcher: dispatcher as unknown as ServiceDispatcher, close: () => router.closeInTime() };
}

/** By promise or by callback, as the caller likes it. */
function answered(done: Promise<void>, callback: (() => void) | undefined): Promise<void> {
  return callback === undefined ? done : done.then(callback);
}
