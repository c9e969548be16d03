/**
 * undici's BalancedPool, which chooses among pools by weights of its own: it lowers that of a pool whose connections fail.
 * The pools are real and their connections are not: a request only says where it went, and what becomes of a
 * connection is told by the events that a real pool has for it.
 */
import { BalancedPool, type Dispatcher, errors, Pool } from 'undici';
import type { Outcome, OutcomeDetails } from '../../resolver/index.js';
import type { Balancer, Contender, Member } from './contender.js';

const HANDLER: Dispatcher.DispatchHandler = {
  onRequestStart() {},
  onResponseStart() {},
  onResponseData() {},
  onResponseEnd() {},
  onResponseError() {},
};

type Told = (pool: SilentPool) => void;

class SilentPool extends Pool {
  readonly id: string;
  readonly #told: Told;
  #isConnected = false;

  constructor(origin: string, told: Told) {
    super(origin);
    this.id = new URL(origin).hostname;
    this.#told = told;
  }

  /** Takes any number at a time, as a pool without a limit of connections does. */
  override dispatch(): boolean {
    this.#told(this);
    return true;
  }

  end(outcome: Outcome, failure: OutcomeDetails['failure']): void {
    const origin = new URL(`http://${this.id}`);
    if (outcome === 'ok' && !this.#isConnected) {
      this.#isConnected = true;
      this.emit('connect', origin, [this]);
    }
    if (failure === 'connect') {
      this.emit('connectionError', origin, [this], new errors.SocketError('connection refused'));
    }
  }

  /** One without connections is closed at once. */
  override close(closed?: () => void): Promise<void> {
    closed?.();
    return Promise.resolve();
  }
}

class Balanced implements Balancer {
  readonly #pool: BalancedPool;
  #listed: ReadonlySet<string> = new Set();
  #picked: SilentPool | undefined;

  constructor() {
    const told: Told = (pool) => {
      this.#picked = pool;
    };
    this.#pool = new BalancedPool([], {
      factory: (origin: URL | string) => new SilentPool(`${origin}`, told),
    });
  }

  list(members: readonly Member[]): void {
    const staying = new Set(members.filter(({ isLeaving }) => !isLeaving).map(({ id }) => id));
    for (const id of this.#listed) if (!staying.has(id)) this.#pool.removeUpstream(`http://${id}`);
    for (const id of staying) if (!this.#listed.has(id)) this.#pool.addUpstream(`http://${id}`);
    this.#listed = staying;
  }

  pick() {
    this.#picked = undefined;
    this.#pool.dispatch({ path: '/', method: 'GET' }, HANDLER);
    const pool = this.#picked as SilentPool | undefined;
    if (pool === undefined) return undefined;
    const done = (outcome: Outcome, details?: OutcomeDetails): void => pool.end(outcome, details?.failure);
    return { instance: { id: pool.id }, done };
  }

  hearReports(): void {}
  close(): void {}
}

export const UNDICI: readonly Contender[] = [
  { library: 'undici', name: 'BalancedPool', knows: {}, open: () => new Balanced() },
];
