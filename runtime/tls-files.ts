/**
 * A TLS client whose certificates are files. They are read for each connection, so that a rotated one is used by the next
 * connection without a restart.
 */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, type PeerCertificate } from 'node:tls';

/** Paths of PEM files. */
export interface TlsFiles {
  /** The authorities to trust instead of the system's. */
  readonly ca: string | undefined;
  /** The client's certificate and its key, both or neither. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** The name to verify instead of the host that is connected to. */
  readonly serverName: string | undefined;
}

/** What `tls.connect` needs beside the address. */
export type TlsClientOptions = Pick<
  ConnectionOptions,
  'minVersion' | 'rejectUnauthorized' | 'servername' | 'checkServerIdentity' | 'ca' | 'cert' | 'key'
>;

/** Rejects when a file cannot be read. @param host What is connected to. */
export async function readTlsOptions(files: TlsFiles, host: string): Promise<TlsClientOptions> {
  const [ca, cert, key] = await Promise.all([files.ca, files.cert, files.key].map(readOptional));
  const verified = files.serverName ?? host;
  return {
    minVersion: 'TLSv1.2',
    // Said aloud, because an environment variable could turn the default off.
    rejectUnauthorized: true,
    // An address may not be sent as a server name; it is verified all the same.
    ...(isIP(verified) === 0 && { servername: verified }),
    checkServerIdentity: (_host: string, peer: PeerCertificate) => checkServerIdentity(verified, peer),
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
  };
}

async function readOptional(path: string | undefined): Promise<Buffer | undefined> {
  return path === undefined ? undefined : readFile(path);
}
