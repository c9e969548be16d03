/**
 * Passes when the port accepts a connection. It cannot see more than that: the kernel also accepts for a
 * process that hangs, until its backlog is full. Where the service speaks HTTP, an HTTP probe tells more.
 */
import type { Clock } from '../../runtime/clock.js';
import { formatHostPort } from '../../runtime/host-port.js';
import type { TcpProbeConfig } from '../config/config.js';
import { connectionTo } from './connection.js';
import type { Network } from './dial.js';
import { checkWithin, type Probe } from './probe.js';
import { passing } from './verdict.js';

export function tcpProbe(config: TcpProbeConfig, clock: Clock, network: Network): Probe {
  const { dial, hold } = connectionTo(config, network, clock);
  const address = formatHostPort(config);
  return {
    name: config.name,
    type: 'tcp',
    pace: 'interval',
    deadlineMs: config.timeoutMs,
    hold,
    check: (signal) =>
      checkWithin(clock, config.timeoutMs, `connecting to ${address}`, signal, async (signal) => {
        // A reset, unlike an orderly close, leaves no TIME_WAIT behind on either side.
        (await dial(signal)).resetAndDestroy();
        return passing(`connected to ${address}`);
      }),
  };
}
