/**
 * Hashes for policies that choose by key: FNV-1a over the code units (Fowler, Noll, Vo), spread by the finalizer of
 * MurmurHash3 (Appleby). The same in every process and version, because callers that share keys must agree. Not for
 * secrets, and whoever picks the keys can pick colliding ones.
 */

const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;

/** A 32-bit unsigned integer. Another `seed` gives an independent hash. Allocates nothing. */
export function hashText(text: string, seed = 0): number {
  let hash = OFFSET ^ seed;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), PRIME);
  return spread(hash);
}

/** Every bit of the result depends on every bit of the argument; one to one. */
export function spread(bits: number): number {
  let hash = bits;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
