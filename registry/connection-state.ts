/**
 * What the calls say about the connection to a registry that knows no sessions. The state is that of the newest call: an
 * old one that fails, such as a blocking query, says nothing when one sent after it was answered.
 */
import { messageOf } from '../runtime/errors.js';
import { Emitter, type Event } from '../runtime/events.js';
import type { RegistryState } from './contract.js';

/** What a failed call says: `connected` when it was answered all the same, `state` as it is when it says nothing. */
export type JudgeFailure = (error: unknown, state: RegistryState) => RegistryState;

export class ConnectionState {
  readonly #judge: JudgeFailure;
  readonly #changes = new Emitter<RegistryState>();
  #state: RegistryState = 'connecting';
  #trouble: string | undefined;
  #tickets = 0;
  #newestAnswer = 0;

  constructor(judge: JudgeFailure) {
    this.#judge = judge;
  }

  readonly onChange: Event<RegistryState> = this.#changes.event;

  get current(): RegistryState {
    return this.#state;
  }

  /** As of `RegistryReader.trouble`: what the newest call failed with. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Runs one call. What ended because the caller did not want it any more says nothing. */
  async track<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
    const ticket = ++this.#tickets;
    try {
      const result = await call();
      this.#answered(ticket);
      return result;
    } catch (error) {
      if (!signal?.aborted) this.#failed(ticket, error);
      throw error;
    }
  }

  /** What kept our entries is gone; the next answer makes it `connected` again. */
  expired(trouble: string): void {
    this.#move('expired', trouble);
  }

  close(): void {
    this.#move('closed');
  }

  #answered(ticket: number): void {
    this.#newestAnswer = Math.max(this.#newestAnswer, ticket);
    this.#move('connected');
  }

  #failed(ticket: number, error: unknown): void {
    if (ticket < this.#newestAnswer) return;
    const said = this.#judge(error, this.#state);
    if (said === 'connected') this.#answered(ticket);
    else this.#move(said, messageOf(error));
  }

  #move(to: RegistryState, trouble?: string): void {
    if (this.#state === 'closed') return;
    this.#trouble = trouble;
    if (this.#state === to) return;
    this.#state = to;
    this.#changes.emit(to);
  }
}
