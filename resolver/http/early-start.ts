/**
 * A request that waits for the first list of its service. Its handler is started already, so that the caller can give it
 * up; undici starts it again, as it does after a broken connection, when the request goes out.
 */
import type { Dispatcher } from 'undici';
import { linkedAbort } from '../../runtime/abort.js';
import { usesController } from './handlers.js';

type Handler = Dispatcher.DispatchHandler;

/** Starts `handler`. The signal aborts, with the caller's reason, when the caller gives up. */
export function startEarly(handler: Handler): AbortSignal {
  const { signal, abort } = linkedAbort();
  if (usesController(handler)) handler.onRequestStart?.(standIn(signal, abort), {});
  else (handler.onConnect as ((abort: typeof reason, context: unknown) => void) | undefined)?.(reason, {});
  return signal;

  function reason(error?: Error): void {
    abort(error ?? new DOMException('This operation was aborted', 'AbortError'));
  }
}

/** Ends a request that was not sent. */
export function fail(handler: Handler, error: Error): void {
  const { signal, abort } = linkedAbort();
  if (usesController(handler)) handler.onResponseError?.(standIn(signal, abort), error);
  else handler.onError?.(error);
}

/** The controller of a request without a connection. */
function standIn(signal: AbortSignal, abort: (reason: Error) => void): Dispatcher.DispatchController {
  return {
    get aborted() {
      return signal.aborted;
    },
    get reason() {
      return signal.aborted ? signal.reason : null;
    },
    paused: false,
    abort,
    pause() {},
    resume() {},
  };
}
