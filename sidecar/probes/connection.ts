/** How a probe over TCP reaches its service: the dial of its checks, and the connection it may hold beside them. */
import type { Clock } from '../../runtime/clock.js';
import { formatHostPort } from '../../runtime/host-port.js';
import { kindOf } from '../address-kind.js';
import type { ProbeSchedule, TcpTarget } from '../config/config.js';
import { confirmed } from './confirmed.js';
import { type Dial, dialer, type Network } from './dial.js';
import { Hold } from './hold.js';

export interface Connection {
  readonly dial: Dial;
  /** Undefined when the configuration wants none. */
  readonly hold: Hold | undefined;
}

export function connectionTo(target: TcpTarget & ProbeSchedule, network: Network, clock: Clock): Connection {
  const dial = dialer(target, network);
  if (!target.hold) return { dial, hold: undefined };
  const hold = new Hold(dial, target.intervalMs, clock);
  // Between two hosts a firewall may refuse in the name of a service that runs.
  const isLocal = kindOf(target.host) === 'loopback';
  return { dial: isLocal ? confirmed(dial, formatHostPort(target), clock) : dial, hold };
}
