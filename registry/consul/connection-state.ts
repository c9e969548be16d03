/**
 * What the calls say about the connection. HTTP has no session, so the state is that of the newest call: an old
 * blocking query that fails says nothing when a heartbeat sent after it was answered.
 */
import { isPilotfishError } from '../../runtime/errors.js';
import { Emitter, type Event } from '../../runtime/events.js';
import type { RegistryState } from '../contract.js';

export class ConnectionState {
  #state: RegistryState = 'connecting';
  readonly #changes = new Emitter<RegistryState>();
  #tickets = 0;
  #newestSuccess = 0;

  readonly onChange: Event<RegistryState> = this.#changes.event;

  get current(): RegistryState {
    return this.#state;
  }

  /** Runs one call. What ended because the caller did not want it any more says nothing. */
  async track<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
    const ticket = ++this.#tickets;
    try {
      const result = await call();
      this.#succeeded(ticket);
      return result;
    } catch (error) {
      if (!signal?.aborted) this.#failed(ticket, error);
      throw error;
    }
  }

  close(): void {
    this.#move('closed');
  }

  #succeeded(ticket: number): void {
    this.#newestSuccess = Math.max(this.#newestSuccess, ticket);
    this.#move('connected');
  }

  #failed(ticket: number, error: unknown): void {
    if (ticket < this.#newestSuccess) return;
    if (isPilotfishError(error, 'BAD_INPUT')) this.#succeeded(ticket);
    else if (isPilotfishError(error, 'DENIED')) this.#move('denied');
    else if (this.#state !== 'connecting') this.#move('suspended');
  }

  #move(to: RegistryState): void {
    if (this.#state === to || this.#state === 'closed') return;
    this.#state = to;
    this.#changes.emit(to);
  }
}
