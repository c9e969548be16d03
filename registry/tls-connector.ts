/** TLS for a pool of undici, with certificates that are read for each connection. */
import { buildConnector } from 'undici';
import { readTlsOptions, type TlsFiles } from '../runtime/tls-files.js';

/** @param host What is connected to, and verified unless the files name another. */
export function tlsConnector(
  files: TlsFiles,
  host: string,
  options: { readonly timeout?: number } = {},
): buildConnector.connector {
  return (target, callback) => {
    readTlsOptions(files, host).then(
      (tls) => buildConnector({ ...options, ...tls })(target, callback),
      (error: Error) => callback(error, null),
    );
  };
}
