/**
 * Passes when the service answers a datagram with one that contains what is expected. Silence proves nothing of
 * UDP, neither life nor death, so there is no such probe without an expected reply, and no reply is a failure.
 *
 * The socket is connected: the kernel then passes on datagrams of that address alone, and tells when the port is
 * refused.
 */
import type { Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { abortable, linkedAbort } from '../../runtime/abort.js';
import type { Clock } from '../../runtime/clock.js';
import { PilotfishError } from '../../runtime/errors.js';
import { formatHostPort, type HostPort } from '../../runtime/host-port.js';
import { kindOf } from '../address-kind.js';
import type { UdpProbeConfig } from '../config/config.js';
import { formatPayload, payloadBytes } from '../config/payload.js';
import { confirmed } from './confirmed.js';
import { addressSource, isSelfConnection, type Network, rethrowOnly } from './dial.js';
import { type CheckResult, checkWithin, type Probe, resultOf } from './probe.js';
import { failing, passing } from './verdict.js';

/** Somebody who sends on and on would keep us busy reading. */
const MAX_OTHER_REPLIES = 16;

/** How many bytes of a reply a reason shows. */
const SHOWN_BYTES = 60;

export function udpProbe(config: UdpProbeConfig, clock: Clock, network: Network): Probe {
  const addresses = addressSource(config, network.lookup);
  const address = formatHostPort(config);
  return {
    name: config.name,
    type: 'udp',
    pace: 'interval',
    deadlineMs: config.timeoutMs,
    check: async (signal) => {
      const exchange = new Exchange(config, network);
      const ask = (signal: AbortSignal): Promise<void> =>
        abortable(addresses(), signal).then((hosts) => exchange.withFirstOf(hosts, signal));
      // Between two hosts a firewall may refuse in the name of a service that runs.
      const attempt = kindOf(config.host) === 'loopback' ? confirmed(ask, address, clock) : ask;
      const result = await checkWithin(clock, config.timeoutMs, 'a reply', signal, async (signal) => {
        await attempt(signal);
        return passing(`${address} replied as expected`);
      });
      return result.failure === 'timeout' ? exchange.silence(result) : result;
    },
  };
}

/** One check: what was asked, and the last thing that was heard instead of the right answer. */
class Exchange {
  readonly #config: UdpProbeConfig;
  readonly #network: Network;
  readonly #question: Buffer;
  readonly #wanted: Buffer;
  #other: Buffer | undefined;

  constructor(config: UdpProbeConfig, network: Network) {
    this.#config = config;
    this.#network = network;
    this.#question = payloadBytes(config.send);
    this.#wanted = payloadBytes(config.expect);
  }

  /** Asks at all addresses at once; the first that replies as expected is enough. */
  async withFirstOf(hosts: readonly string[], signal: AbortSignal): Promise<void> {
    const all = linkedAbort(signal);
    try {
      await Promise.any(hosts.map((host) => this.#with(host, all.signal))).catch(rethrowOnly);
    } finally {
      all.abort(new Error('the check has ended'));
      all.release();
    }
  }

  /** What to say of a check that ended at its deadline. */
  silence(result: CheckResult): CheckResult {
    if (this.#other !== undefined) return resultOf(failing(this.#otherReply(this.#other)), result.durationMs);
    const { timeoutMs } = this.#config;
    return { ...result, reason: `no reply from ${formatHostPort(this.#config)} within ${timeoutMs} ms` };
  }

  async #with(host: string, signal: AbortSignal): Promise<void> {
    const socket = this.#network.datagrams(isIPv6(host) ? 'udp6' : 'udp4');
    try {
      await abortable(this.#reply(socket, { host, port: this.#config.port }), signal);
    } finally {
      socket.close();
    }
  }

  #reply(socket: Socket, { host, port }: HostPort): Promise<void> {
    return new Promise((resolve, reject) => {
      let others = 0;
      socket.on('error', reject);
      socket.on('message', (reply) => {
        if (reply.includes(this.#wanted)) return resolve();
        this.#other = reply;
        if (++others === MAX_OTHER_REPLIES) reject(new Error(this.#otherReply(reply)));
      });
      socket.connect(port, host, () => {
        if (meetsItself(socket)) reject(metItself(port));
        else socket.send(this.#question);
      });
    });
  }

  #otherReply(reply: Buffer): string {
    const { expect } = this.#config;
    return `expected a reply that contains "${expect}", got "${formatPayload(reply.subarray(0, SHOWN_BYTES), expect)}"`;
  }
}

/** The kernel may choose as our source the very port that nobody listens on; the question would be its own answer. */
function meetsItself(socket: Socket): boolean {
  const [local, remote] = [socket.address(), socket.remoteAddress()];
  return isSelfConnection({
    localAddress: local.address,
    localPort: local.port,
    remoteAddress: remote.address,
    remotePort: remote.port,
  });
}

function metItself(port: number): PilotfishError {
  return new PilotfishError('UNAVAILABLE', `nothing listens on port ${port}: the socket met itself`);
}
