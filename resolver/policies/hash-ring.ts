/**
 * A ring of hashes (Karger et al., "Consistent Hashing and Random Trees", 1997). Each member owns points in proportion
 * to its weight, and a key belongs to the first point after its hash. The points of a member depend on nothing but its
 * id, so a member that joins takes keys for itself and moves no other.
 *
 * How many points a unit of weight is worth is a power of two, and so changes only when the whole weight of the list
 * doubles or halves; the points of the smaller number are part of the larger. Found by an index over the leading bits
 * of the hash: O(1) on average, nothing allocated.
 *
 * A ring that follows another takes the points of the members that stayed over in their order, and sorts only those of
 * the others in between. That is the same ring as one that is built anew, in about a quarter of the time.
 */
import { placesIn } from '../../registry/snapshot.js';
import { hashText, spread } from './hash.js';
import { effectiveWeight } from './weights.js';

export interface RingMember {
  readonly id: string;
  /** 0 counts as 1. */
  readonly weight: number;
}

/** The shares of members deviate from the weights by about 6 %: one over the root of this. */
const POINTS_PER_MEMBER = 256;
/** Bounds the time and the memory of a ring; beyond 1,000 members each has fewer points. */
const MAX_POINTS = 2 ** 18;
const SECOND_SEED = 0x9747b28c;
/** Nobody's: of a member that is gone. */
const NOBODY = -1;
/** Of a hash, that are sorted by at a time. */
const DIGIT_BITS = 11;
const DIGIT_MASK = 2 ** DIGIT_BITS - 1;

/** Points in the order of the ring: their hashes, and whose they are. Of equal hashes the lower owner comes first. */
interface Points {
  readonly hashes: Uint32Array;
  readonly owners: Int32Array;
}

export class HashRing {
  readonly #members: readonly RingMember[];
  /** How many points each member has. */
  readonly #counts: Int32Array;
  readonly #hashes: Uint32Array;
  readonly #owners: Int32Array;
  /** For each value of the leading bits where its points begin: four of them on average. */
  readonly #starts: Int32Array;
  readonly #shift: number;

  /**
   * Linear in the points.
   *
   * @param members Sorted by id.
   * @param former The ring for the list before.
   */
  constructor(members: readonly RingMember[], former?: HashRing) {
    this.#members = members;
    this.#counts = pointCounts(members);
    const { hashes, owners } = former === undefined ? this.#sorted() : this.#following(former);
    this.#hashes = hashes;
    this.#owners = owners;
    const bits = leadingBits(hashes.length);
    this.#shift = 32 - bits;
    this.#starts = startsOf(hashes, bits);
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

  #sorted(): Points {
    const everybody = Int32Array.from(this.#members.keys());
    return inOrder(pointsOf(this.#members, this.#counts, everybody));
  }

  #following(former: HashRing): Points {
    const { stayed, others } = this.#compare(former);
    const more = inOrder(pointsOf(this.#members, this.#counts, others));
    const total = this.#counts.reduce((sum, count) => sum + count, 0);
    // With so few to take over, sorting all of them is no slower.
    if (more.hashes.length > total / 2) return this.#sorted();
    return merged({ hashes: former.#hashes, owners: former.#owners }, stayed, more, total);
  }

  /** Who of the former ring is who here, if with as many points; and everybody else. */
  #compare(former: HashRing): { readonly stayed: Int32Array; readonly others: Int32Array } {
    const stayed = new Int32Array(former.#members.length).fill(NOBODY);
    const others: number[] = [];
    placesIn(former.#members, this.#members).former.forEach((place, at) => {
      if (place >= 0 && former.#counts[place] === this.#counts[at]) stayed[place] = at;
      else others.push(at);
    });
    return { stayed, others: Int32Array.from(others) };
  }
}

/** In proportion to the weights, but at least one: everybody can be reached. */
function pointCounts(members: readonly RingMember[]): Int32Array {
  const perUnit = pointsPerUnit(members);
  const counts = new Int32Array(members.length);
  for (let at = 0; at < counts.length; at++) {
    counts[at] = Math.max(1, Math.round(effectiveWeight(members[at] as RingMember) * perUnit));
  }
  return counts;
}

/** A power of two, so that it rarely changes. */
function pointsPerUnit(members: readonly RingMember[]): number {
  let total = 0;
  for (const member of members) total += effectiveWeight(member);
  const wanted = Math.min(POINTS_PER_MEMBER * members.length, MAX_POINTS);
  return 2 ** Math.round(Math.log2(wanted / total));
}

/** All points of some members, one member after the other. */
function pointsOf(members: readonly RingMember[], counts: Int32Array, some: Int32Array): Points {
  const length = some.reduce((sum, owner) => sum + (counts[owner] as number), 0);
  const hashes = new Uint32Array(length);
  const owners = new Int32Array(length);
  let filled = 0;
  for (const owner of some) {
    const { id } = members[owner] as RingMember;
    const base = hashText(id);
    const step = hashText(id, SECOND_SEED) | 1;
    for (let n = 0; n < (counts[owner] as number); n++) {
      owners[filled] = owner;
      hashes[filled++] = spread((base + Math.imul(n, step)) | 0);
    }
  }
  return { hashes, owners };
}

/** Radix sort by hash. It keeps the order of equals, which is that of their owners. */
function inOrder(points: Points): Points {
  let from = points;
  let to: Points = {
    hashes: new Uint32Array(points.hashes.length),
    owners: new Int32Array(points.hashes.length),
  };
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    sortByDigit(from, to, shift);
    [from, to] = [to, from];
  }
  return from;
}

function sortByDigit(from: Points, to: Points, shift: number): void {
  const { hashes, owners } = from;
  const ends = digitStarts(hashes, shift);
  for (let at = 0; at < hashes.length; at++) {
    const hash = hashes[at] as number;
    const digit = (hash >>> shift) & DIGIT_MASK;
    const place = ends[digit] as number;
    ends[digit] = place + 1;
    to.hashes[place] = hash;
    to.owners[place] = owners[at] as number;
  }
}

/** For each value of a digit where those begin that have it. */
function digitStarts(hashes: Uint32Array, shift: number): Int32Array {
  const starts = new Int32Array(DIGIT_MASK + 2);
  for (let at = 0; at < hashes.length; at++) {
    const next = (((hashes[at] as number) >>> shift) & DIGIT_MASK) + 1;
    starts[next] = (starts[next] as number) + 1;
  }
  for (let digit = 1; digit < starts.length; digit++) {
    starts[digit] = (starts[digit] as number) + (starts[digit - 1] as number);
  }
  return starts;
}

/**
 * The points of a former ring, those of nobody left out, and more in between.
 *
 * @param stayed Who each former owner is now.
 * @param total How many points that makes.
 */
function merged(former: Points, stayed: Int32Array, more: Points, total: number): Points {
  const hashes = new Uint32Array(total);
  const owners = new Int32Array(total);
  let filled = 0;
  let next = 0;
  const put = (hash: number, owner: number): void => {
    hashes[filled] = hash;
    owners[filled++] = owner;
  };
  for (let at = 0; at < former.hashes.length; at++) {
    const owner = stayed[former.owners[at] as number] as number;
    if (owner === NOBODY) continue;
    const hash = former.hashes[at] as number;
    for (; comesBefore(more, next, hash, owner); next++)
      put(more.hashes[next] as number, more.owners[next] as number);
    put(hash, owner);
  }
  for (; next < more.hashes.length; next++) put(more.hashes[next] as number, more.owners[next] as number);
  return { hashes, owners };
}

/** False at the end of the points. */
function comesBefore({ hashes, owners }: Points, at: number, hash: number, owner: number): boolean {
  if (at === hashes.length) return false;
  const its = hashes[at] as number;
  return its < hash || (its === hash && (owners[at] as number) < owner);
}

function leadingBits(points: number): number {
  return Math.max(1, Math.floor(Math.log2(points)) - 2);
}

function startsOf(hashes: Uint32Array, bits: number): Int32Array {
  const starts = new Int32Array(2 ** bits);
  let leading = 0;
  for (let at = 0; at < hashes.length; at++) {
    const own = (hashes[at] as number) >>> (32 - bits);
    while (leading <= own) starts[leading++] = at;
  }
  return starts.fill(hashes.length, leading);
}
