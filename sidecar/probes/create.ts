/** From a probe's configuration to the probe. What only one type of probe needs is loaded for it alone. */
import type { Clock } from '../../runtime/clock.js';
import { type Logger, silentLogger } from '../../runtime/logger.js';
import type { ProbeConfig } from '../config/config.js';
import { type Network, systemNetwork } from './dial.js';
import type { Probe } from './probe.js';
import { tcpProbe } from './tcp.js';
import { TtlProbe } from './ttl.js';

export interface ProbeContext {
  readonly clock: Clock;
  readonly logger?: Logger;
  /** Default: the system's sockets and its name service. */
  readonly network?: Network;
}

/** Starts nothing. Rejects BAD_INPUT when a certificate authority's file cannot be used. */
export async function createProbe(config: ProbeConfig, context: ProbeContext): Promise<Probe> {
  const { clock, logger = silentLogger, network = systemNetwork } = context;
  switch (config.type) {
    case 'tcp':
      return tcpProbe(config, clock, network);
    case 'http':
      return (await import('./http.js')).httpProbe(config, { clock, logger, network });
    case 'grpc':
      return (await import('./grpc.js')).grpcProbe(config, { clock, logger, network });
    case 'udp':
      return (await import('./udp.js')).udpProbe(config, clock, network);
    case 'exec':
      return (await import('./exec.js')).execProbe(config, clock);
    case 'ttl':
      return new TtlProbe(config, clock);
  }
}
