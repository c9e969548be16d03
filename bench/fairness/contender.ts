/** What is compared: balancers, each called the way a request calls it in its own library. */
import type { Random } from '../../runtime/random.js';
import type { Balancing } from '../../test/simulator/simulated-cluster.js';
import type { Servers } from './servers.js';
import type { Time } from './time.js';

/** An entry of a list. */
export interface Member {
  readonly id: string;
  /** Undefined where the list names none. */
  readonly weight?: number;
  /** Still listed, and no longer to be given anything. A library that knows no such thing is not shown it. */
  readonly isLeaving?: boolean;
}

/** One caller's balancer. `pick` takes `{ key }`. */
export interface Balancer extends Balancing {
  /** The list is this one now. */
  list(members: readonly Member[]): void;
  /** The servers have summed up their load. */
  hearReports(): void;
  close(): void;
}

export interface World {
  readonly time: Time;
  readonly servers: Servers;
  /** For those who are given chance. */
  readonly random: Random;
  /** Whether what leaves out bad endpoints is on, where it is an option. */
  readonly isProtected: boolean;
}

export interface Contender {
  readonly library: string;
  readonly name: string;
  /** What it can take part in beyond sharing out requests. */
  readonly knows: {
    /** A weight for each member, from the list or from what the servers report. */
    readonly weights?: 'list' | 'reports';
    /** It goes by what servers report of their load, and so begins to only after some reports. */
    readonly reports?: true;
    readonly keys?: true;
    /** An option that leaves out bad endpoints. */
    readonly protection?: true;
    /** It learns by promises, which have to settle. */
    readonly promises?: true;
  };
  open(world: World): Balancer;
}
