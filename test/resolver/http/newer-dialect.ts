/** Callers that speak the newer dialect of undici, which the fetch of Node 26 does, on any Node. */
import type { Dispatcher } from 'undici';

const CALLBACKS = [
  'onRequestStart',
  'onRequestUpgrade',
  'onResponseStart',
  'onResponseData',
  'onResponseEnd',
  'onResponseError',
];

/** The same dispatcher, whose every handler reaches it in the newer dialect. */
export function inNewerDialect(dispatcher: Dispatcher): Dispatcher {
  return dispatcher.compose((dispatch) => (options, handler) => {
    const passedOn = CALLBACKS.map((name) => [
      name,
      (...args: unknown[]) => (handler as Record<string, (...args: unknown[]) => void>)[name]?.(...args),
    ]);
    return dispatch(options, Object.fromEntries(passedOn));
  });
}
