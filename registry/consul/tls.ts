/** TLS to the agent for the package `consul`, with certificates that are read for each connection. */
import { type AgentOptions, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import { readTlsOptions, type TlsFiles } from '../../runtime/tls-files.js';

/** Node's own client, which the package uses. Without files it is plain HTTP. */
export function agentFor(
  files: TlsFiles | undefined,
  options: AgentOptions & { readonly host: string },
): HttpAgent {
  return files === undefined ? new HttpAgent(options) : new RereadingAgent(files, options);
}

type Connected = (error: Error | null, stream: Duplex) => void;

class RereadingAgent extends HttpsAgent {
  readonly #files: TlsFiles;
  readonly #host: string;

  constructor(files: TlsFiles, options: AgentOptions & { readonly host: string }) {
    super(options);
    this.#files = files;
    this.#host = options.host;
  }

  /** Node calls it for each new connection, and waits for the callback when nothing is returned. */
  override createConnection(options: RequestOptions, connected: Connected): undefined {
    readTlsOptions(this.#files, this.#host).then(
      (tls) => connected(null, connect({ ...(options as object), ...tls })),
      (error: Error) => connected(error, undefined as unknown as Duplex),
    );
  }
}
