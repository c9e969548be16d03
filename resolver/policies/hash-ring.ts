/**
 * A ring of hashes (Karger et al., "Consistent Hashing and Random Trees", 1997). Each member owns points in proportion
 * to its weight, and a key belongs to the first point after its hash. The points of a member depend on nothing but its
 * id, so a member that joins takes keys for itself and moves no other.
 *
 * How many points a unit of weight is worth is a power of two, and so changes only when the whole weight of the list
 * doubles or halves; the points of the smaller number are part of the larger. Found by an index over the leading bits
 * of the hash: O(1) on average, nothing allocated.
 */
import { hashText, spread } from './hash.js';

export interface RingMember {
  readonly id: string;
  /** Above 0. */
  readonly weight: number;
}

/** The shares of members deviate from the weights by about 6 %: one over the root of this. */
const POINTS_PER_MEMBER = 256;
/** Bounds the time and the memory of a ring; beyond 1,000 members each has fewer points. */
const MAX_POINTS = 2 ** 18;
const SECOND_SEED = 0x9747b28c;

export class HashRing {
  /** The points in the order of the ring: their hashes, and whose they are. */
  readonly #hashes: Uint32Array;
  readonly #owners: Int32Array;
  /** For each value of the leading bits where its points begin, and where the last ones end. */
  readonly #starts: Int32Array;
  readonly #shift: number;

  /** Linear in the points: each is put in order among the few with the same leading bits. */
  constructor(members: readonly RingMember[]) {
    const counts = pointCounts(members);
    const hashes = pointsOf(members, counts);
    const bits = Math.max(1, Math.floor(Math.log2(hashes.length)));
    this.#shift = 32 - bits;
    this.#starts = startsOf(hashes, bits);
    this.#hashes = new Uint32Array(hashes.length);
    this.#owners = new Int32Array(hashes.length);
    const ends = this.#starts.slice();
    let from = 0;
    counts.forEach((count, owner) => {
      for (const hash of hashes.subarray(from, from + count)) this.#insert(hash, owner, ends);
      from += count;
    });
  }

  get points(): number {
    return this.#owners.length;
  }

  /** Where on the ring a key with this hash is: the index of a point. */
  find(hash: number): number {
    const hashes = this.#hashes;
    let at = this.#starts[hash >>> this.#shift] as number;
    while (at < hashes.length && (hashes[at] as number) < hash) at++;
    return at === hashes.length ? 0 : at;
  }

  /** The index of the member that owns a point. */
  owner(point: number): number {
    return this.#owners[point] as number;
  }

  /** The next point round the ring. */
  after(point: number): number {
    return point + 1 === this.#owners.length ? 0 : point + 1;
  }

  /** @param ends For each value of the leading bits where its next point goes. */
  #insert(hash: number, owner: number, ends: Int32Array): void {
    const leading = hash >>> this.#shift;
    const first = this.#starts[leading] as number;
    let at = ends[leading] as number;
    ends[leading] = at + 1;
    for (; at > first && (this.#hashes[at - 1] as number) > hash; at--) {
      this.#hashes[at] = this.#hashes[at - 1] as number;
      this.#owners[at] = this.#owners[at - 1] as number;
    }
    this.#hashes[at] = hash;
    this.#owners[at] = owner;
  }
}

/** In proportion to the weights, but at least one: everybody can be reached. */
function pointCounts(members: readonly RingMember[]): readonly number[] {
  const perUnit = pointsPerUnit(members);
  return members.map(({ weight }) => Math.max(1, Math.round(weight * perUnit)));
}

/** A power of two, so that it rarely changes. */
function pointsPerUnit(members: readonly RingMember[]): number {
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  const wanted = Math.min(POINTS_PER_MEMBER * members.length, MAX_POINTS);
  return 2 ** Math.round(Math.log2(wanted / total));
}

/** The hashes of all points, member by member. */
function pointsOf(members: readonly RingMember[], counts: readonly number[]): Uint32Array {
  const hashes = new Uint32Array(counts.reduce((sum, count) => sum + count, 0));
  let filled = 0;
  members.forEach(({ id }, owner) => {
    const base = hashText(id);
    const step = hashText(id, SECOND_SEED) | 1;
    for (let n = 0; n < (counts[owner] as number); n++) {
      hashes[filled++] = spread((base + Math.imul(n, step)) | 0);
    }
  });
  return hashes;
}

function startsOf(hashes: Uint32Array, bits: number): Int32Array {
  const starts = new Int32Array(2 ** bits + 1);
  for (const hash of hashes) {
    const next = (hash >>> (32 - bits)) + 1;
    starts[next] = (starts[next] as number) + 1;
  }
  for (let leading = 1; leading < starts.length; leading++) {
    starts[leading] = (starts[leading] as number) + (starts[leading - 1] as number);
  }
  return starts;
}
