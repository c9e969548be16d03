/**
 * Which data the members serve. A member of another cluster behind one of our addresses must not be believed, but a
 * cluster that was wiped and set up anew must: it is then a new epoch, in which revisions begin again.
 *
 * A cluster that is set up anew with the same names and addresses has even the same id, so a revision that stays lower
 * for long enough is a new epoch too. For less long it is a member that answers from the past, which etcd 3.4 did at times.
 */

export type Verdict = 'ours' | 'another' | 'new epoch';

export class ClusterIdentity {
  readonly #size: number;
  readonly #patienceMs: number;
  /** The cluster that each member last said it belongs to, where that is not ours. */
  readonly #others = new Map<string, string>();
  #id: string | undefined;
  #revision = 0;
  #lowerSince: number | undefined;

  /** @param patienceMs how long a lower revision is taken for a mistake. */
  constructor(size: number, patienceMs: number) {
    this.#size = size;
    this.#patienceMs = patienceMs;
  }

  /** To be asked for each answer. More than half of the members have to agree before another cluster is ours. */
  judge(member: string, clusterId: string): Verdict {
    this.#id ??= clusterId;
    if (clusterId === this.#id) {
      this.#others.delete(member);
      return 'ours';
    }
    this.#others.set(member, clusterId);
    const votes = [...this.#others.values()].filter((id) => id === clusterId).length;
    if (votes * 2 <= this.#size) return 'another';
    this.#id = clusterId;
    this.#others.clear();
    this.#begin(0);
    return 'new epoch';
  }

  /** The highest revision of any answer so far. */
  get revision(): number {
    return this.#revision;
  }

  /** To be told the revision of each answer. */
  saw(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
  }

  /**
   * For a linearizable read; `another` when it is from the past.
   *
   * @param atLeast what `revision` was when the read began.
   */
  judgeRevision(revision: number, atLeast: number, now: number): Verdict {
    if (revision >= atLeast) {
      this.#lowerSince = undefined;
      return 'ours';
    }
    this.#lowerSince ??= now;
    if (now - this.#lowerSince < this.#patienceMs) return 'another';
    this.#begin(revision);
    return 'new epoch';
  }

  #begin(revision: number): void {
    this.#revision = revision;
    this.#lowerSince = undefined;
  }
}
