/**
 * Plain round-robin: endpoints of equal weight in a fixed order, one after the other. The place in the ring is kept by
 * the identity of the endpoint that is due, so a list that changes often never favours its beginning (grpc-java#4462),
 * and endpoints that stay differ by at most one pick however often others come and go.
 */
import type { Instance } from '../../registry/contract.js';
import { firstNotBefore } from '../../registry/snapshot.js';
import { below, type Random } from '../../runtime/random.js';
import { type Pick, type Picker, type PickerDescription, sameEndpoint } from '../policy.js';
import { described } from './described.js';
import { preparedPicks } from './prepared-pick.js';
import { effectiveWeight } from './weights.js';

export class Ring implements Picker {
  readonly #picks: readonly Pick[];
  #next: number;

  /**
   * @param next The index of the endpoint that is due first.
   * @param former The ring before, whose prepared picks go on.
   */
  constructor(members: readonly Instance[], next: number, former?: Ring) {
    this.#picks = preparedPicks(members, former === undefined ? [] : former.#picks);
    this.#next = next;
  }

  /** Round the ring; O(1), allocates nothing. */
  pick(): Pick {
    const picks = this.#picks;
    const at = this.#next;
    this.#next = at + 1 === picks.length ? 0 : at + 1;
    return picks[at] as Pick;
  }

  describe(): PickerDescription {
    return described('round-robin', 'each in turn', this.upcoming(), (_, turn) => ({ turn }));
  }

  get weight(): number {
    return effectiveWeight((this.#picks[0] as Pick).instance);
  }

  get size(): number {
    return this.#picks.length;
  }

  /** The member that is due in so many turns, from 0 to `size` - 1. */
  due(turns: number): Instance {
    return (this.#picks[(this.#next + turns) % this.#picks.length] as Pick).instance;
  }

  /** The members, the one that is due first. */
  upcoming(): Instance[] {
    return Array.from(this.#picks, (_, turns) => this.due(turns));
  }
}

/**
 * A ring that goes on where `previous` stopped: at the first of its upcoming endpoints that is still there. Without
 * one it starts at a random place, so that many clients do not begin with the same endpoint.
 */
export function continueRing(members: readonly Instance[], previous: Ring | undefined, random: Random): Ring {
  return new Ring(members, firstSurvivor(members, previous) ?? below(random, members.length), previous);
}

function firstSurvivor(members: readonly Instance[], previous: Ring | undefined): number | undefined {
  if (previous === undefined) return undefined;
  for (let turns = 0; turns < previous.size; turns++) {
    const due = previous.due(turns);
    const index = firstNotBefore(members, due.id);
    const member = members[index];
    if (member !== undefined && sameEndpoint(member, due)) return index;
  }
  return undefined;
}
