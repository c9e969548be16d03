/** Where an experiment takes place: servers, callers with a balancer each, and a time of its own. Always the same again. */
import { below } from '../../runtime/random.js';
import {
  type Answer,
  type Second,
  type SimulatedPick,
  simulate,
  simulateSettling,
  type Traffic,
} from '../../test/simulator/simulated-cluster.js';
import { randomFor, restartMathRandom } from './chance.js';
import type { Balancer, Contender, Member } from './contender.js';
import { type Behaviour, REPORT_MS, Servers } from './servers.js';
import { Time } from './time.js';

/** Requests are about one of so many things, each as often as any other. */
const KEYS = 10_000;

/** For those who go by reports: two rounds of them. For the others: whatever is uneven about a beginning. */
const WARM_S = { reports: 25, others: 2 };

export interface Setting {
  readonly behaviourOf: (id: string) => Behaviour;
  /** How many; requests come from one of them by chance. Default 1. */
  readonly callers?: number;
  /** What leaves out bad endpoints is on, where it is an option. */
  readonly isProtected?: boolean;
}

export interface Load {
  readonly perSecond: number;
  readonly seconds: number;
  /** Called before each request, with how many there were. */
  readonly beforeRequest?: (count: number) => void;
  /** Called after each pick. */
  readonly picked?: (id: string) => void;
  /** Called before the requests of each second. */
  readonly beforeSecond?: (second: number) => void;
}

/** Stands for what a request gets that finds no endpoint. */
export const NOBODY = 'nobody';
const NO_PICK: SimulatedPick = { instance: { id: NOBODY }, done() {} };

class Stage {
  readonly callers: readonly Balancer[];
  readonly #time = new Time();
  readonly #servers: Servers;
  readonly #contender: Contender;

  constructor(contender: Contender, { behaviourOf, callers = 1, isProtected = false }: Setting) {
    restartMathRandom();
    this.#contender = contender;
    this.#servers = new Servers(behaviourOf);
    const [time, servers] = [this.#time, this.#servers];
    this.callers = Array.from({ length: callers }, (_, n) =>
      contender.open({ time, servers, random: randomFor(`caller ${n}`), isProtected }),
    );
  }

  /** Every caller has this list now. */
  list(members: readonly Member[]): void {
    for (const caller of this.callers) caller.list(members);
  }

  /** Requests until the contender is at its best. */
  async warmUp(perSecond: number): Promise<void> {
    const { reports = false } = this.#contender.knows;
    await this.play({ perSecond, seconds: reports ? WARM_S.reports : WARM_S.others });
  }

  /** Requests for some seconds; with the picks of each. */
  async play(load: Load): Promise<readonly Second[]> {
    const traffic = this.#traffic(load);
    return this.#contender.knows.promises === true ? simulateSettling(traffic) : simulate(traffic);
  }

  close(): void {
    for (const caller of this.callers) caller.close();
    this.#time.end();
  }

  #traffic({ perSecond, seconds, beforeRequest, picked, beforeSecond }: Load): Traffic {
    const random = randomFor('requests');
    let requests = 0;
    return {
      clock: this.#time,
      perSecond,
      seconds,
      picker: () => {
        beforeRequest?.(requests++);
        const caller = this.callers[below(random, this.callers.length)] as Balancer;
        return { pick: (request) => caller.pick(request) ?? NO_PICK };
      },
      request: () => ({ key: `key-${below(random, KEYS)}` }),
      answer: (id) => {
        picked?.(id);
        return this.#answer(id);
      },
      before: (ms) => {
        if (this.#time.now() % REPORT_MS === 0) this.#report();
        if (ms % 1000 === 0) beforeSecond?.(ms / 1000);
      },
    };
  }

  #answer(id: string): Answer {
    this.#servers.receive(id);
    const { latencyMs, isDead = false } = this.#servers.behaviourOf(id);
    return isDead ? { latencyMs: 1, outcome: 'error', details: { failure: 'connect' } } : { latencyMs };
  }

  #report(): void {
    this.#servers.sumUp();
    for (const caller of this.callers) caller.hearReports();
  }
}

export type { Stage };

/** Does `work` on a stage of its own. */
export async function onStage<R>(
  contender: Contender,
  setting: Setting,
  work: (stage: Stage) => R | Promise<R>,
): Promise<R> {
  const stage = new Stage(contender, setting);
  try {
    return await work(stage);
  } finally {
    stage.close();
  }
}
