/**
 * Takes the rest of a response that nobody wants, because its request went elsewhere. A short one is read to its end, which keeps
 * the connection; from a long one the connection is cheaper to lose.
 */
import type { Dispatcher } from 'undici';

const MOST_BYTES = 64 * 1024;

/** Speaks both dialects. @param abort Ends the response, and its connection. */
export function drain(abort: () => void): Dispatcher.DispatchHandler {
  let left = MOST_BYTES;
  const take = (chunk: Buffer): boolean => {
    left -= chunk.length;
    if (left < 0) abort();
    return true;
  };
  return {
    onData: take,
    onComplete() {},
    onError() {},
    onResponseData: (_controller, chunk) => {
      take(chunk);
    },
    onResponseEnd() {},
    onResponseError() {},
  };
}
