/**
 * TLS on top of a dialed connection. The certificate is verified against the system's authorities or those of
 * one file, for the probe's host or the name that the configuration gives.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP, type Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { messageOf, PilotfishError } from '../../runtime/errors.js';
import { reject } from '../../runtime/expected.js';
import type { Logger } from '../../runtime/logger.js';
import { printable } from '../../runtime/printable.js';
import type { TlsConfig } from '../config/config.js';
import type { Dial } from './dial.js';

/** The part of a probe's configuration that matters here. */
export interface SecuredTarget {
  readonly name: string;
  readonly host: string;
  readonly tls: TlsConfig | undefined;
}

export interface Secured {
  readonly dial: Dial;
  /** Tells what the file of authorities held from anything else it may hold later; undefined without one. */
  readonly authorities: string | undefined;
}

/** The dial itself without TLS, else one that ends with the handshake done and `protocol` offered. */
export async function secured(
  { tls, host, name }: SecuredTarget,
  protocol: 'http/1.1' | 'h2',
  dial: Dial,
  logger: Logger,
): Promise<Secured> {
  if (tls === undefined) return { dial, authorities: undefined };
  if (tls.insecureSkipVerify) {
    logger.warn(
      { probe: name, host },
      'TLS certificates of this probe are not verified (insecureSkipVerify)',
    );
  }
  const { secureContext, authorities } = await trustIn(tls.ca);
  const verifiedName = tls.serverName ?? host;
  const securedDial: Dial = async (signal) =>
    handshake(await dial(signal), {
      secureContext,
      host: verifiedName,
      // An IP address is no server name (RFC 6066).
      servername: isIP(verifiedName) === 0 ? verifiedName : '',
      rejectUnauthorized: !tls.insecureSkipVerify,
      ALPNProtocols: [protocol],
    });
  return { dial: securedDial, authorities };
}

interface Trust {
  readonly secureContext: SecureContext;
  readonly authorities: string | undefined;
}

async function trustIn(caFile: string | undefined): Promise<Trust> {
  if (caFile === undefined) return { secureContext: createSecureContext(), authorities: undefined };
  try {
    const ca = await readFile(caFile);
    const authorities = createHash('sha256').update(ca).digest('hex');
    return { secureContext: createSecureContext({ ca }), authorities };
  } catch (error) {
    return reject(
      'tls.ca',
      'a file of certificates in PEM form',
      `"${printable(caFile)}": ${messageOf(error)}`,
    );
  }
}

interface HandshakeOptions {
  readonly secureContext: SecureContext;
  readonly host: string;
  readonly servername: string;
  readonly rejectUnauthorized: boolean;
  readonly ALPNProtocols: string[];
}

/** The signal that destroys `socket` ends the handshake too. */
function handshake(socket: Socket, options: HandshakeOptions): Promise<TLSSocket> {
  return new Promise((resolve, fail) => {
    const secure = connect({ ...options, socket });
    secure.once('secureConnect', () => resolve(secure));
    secure.on('error', (error) => {
      socket.destroy();
      fail(new PilotfishError('UNAVAILABLE', `TLS: ${messageOf(error)}`, { cause: error }));
    });
  });
}
