/**
 * What the calls say about the connection. The gateway has no session, so the state is that of the newest call: an old
 * one that fails says nothing when one sent after it was answered. Only calls that need the quorum are told here.
 */
import { isPilotfishError } from '../../runtime/errors.js';
import { Emitter, type Event } from '../../runtime/events.js';
import type { RegistryState } from '../contract.js';
import { isAnswer } from './refusal.js';

export class ConnectionState {
  readonly #changes = new Emitter<RegistryState>();
  #state: RegistryState = 'connecting';
  #tickets = 0;
  #newestAnswer = 0;

  readonly onChange: Event<RegistryState> = this.#changes.event;

  get current(): RegistryState {
    return this.#state;
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

  /** The lease is gone; the next answer makes it `connected` again. */
  expired(): void {
    this.#move('expired');
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
    if (isPilotfishError(error, 'DENIED')) this.#move('denied');
    else if (isAnswer(error)) this.#answered(ticket);
    else if (this.#state === 'connected') this.#move('suspended');
  }

  #move(to: RegistryState): void {
    if (this.#state === to || this.#state === 'closed') return;
    this.#state = to;
    this.#changes.emit(to);
  }
}
