/**
 * Who in this process was the last to claim a place. Registries may share a session, for a moment at a reload, and then
 * the owner of a node does not tell whose it is.
 */
export class Claims {
  readonly #claimants = new Map<string, object>();

  take(place: string, claimant: object): void {
    this.#claimants.set(place, claimant);
  }

  /** Whether somebody else has claimed the place since, and has it still. */
  isTakenFrom(place: string, claimant: object): boolean {
    const last = this.#claimants.get(place);
    return last !== undefined && last !== claimant;
  }

  release(place: string, claimant: object): void {
    if (this.#claimants.get(place) === claimant) this.#claimants.delete(place);
  }
}
