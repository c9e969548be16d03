/** The asking side of the admin server: one request, over TCP or a unix socket, on a connection of its own. */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';

/** Where an admin server is asked, and with what. */
export interface AdminTarget {
  /** `http://host:port` or `unix:/path`. */
  readonly url: string;
  readonly token?: string | undefined;
}

export interface AdminCall {
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly path: string;
  /** Sent as JSON; undefined for no body. */
  readonly body?: object;
}

export interface AdminAnswer {
  readonly status: number;
  readonly text: string;
}

/** The status of a thousand services with all their history fits. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/** Rejects with the system's error when nobody answers, and with the signal's reason when it aborts. */
export async function askAdmin(
  target: AdminTarget,
  call: AdminCall,
  signal: AbortSignal,
): Promise<AdminAnswer> {
  try {
    const response = await send(openRequest(target, call, signal), call.body);
    return { status: response.statusCode ?? 0, text: await textOf(response) };
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

function openRequest(
  { url, token }: AdminTarget,
  { method, path }: AdminCall,
  signal: AbortSignal,
): ClientRequest {
  const headers = {
    'content-type': 'application/json',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  const options = { method, path, headers, signal, agent: false };
  if (url.startsWith('unix:')) return request({ ...options, socketPath: url.slice('unix:'.length) });
  return request(url, options);
}

function send(sent: ClientRequest, body: object | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.once('response', resolve);
    sent.once('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    length += (chunk as Buffer).length;
    if (length > MAX_ANSWER_BYTES) throw new Error(`the answer is longer than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}
