/**
 * One request of node:http from its pick to its end. It is watched from outside, without becoming a listener whose mere
 * presence would change what node does: an error nobody handles still is one.
 */
import { errorMonitor } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Pick } from '../policy.js';
import { type Lane, type LifeContext, RequestLife } from './request-life.js';
import type { Stallable } from './stalled-bodies.js';

export class AgentRequest implements Lane, Stallable {
  readonly #request: ClientRequest;
  readonly #life: RequestLife;
  #response: IncomingMessage | undefined;
  #connected = false;
  #aborted: { readonly reason: unknown } | undefined;
  #timedOut = false;

  constructor(request: ClientRequest, pick: Pick, context: LifeContext) {
    this.#request = request;
    this.#life = new RequestLife(pick, this, context);
    this.#noteAbort();
    // Before the caller's own listeners, which may end it.
    request.prependOnceListener('timeout', () => {
      this.#timedOut = true;
    });
    request.once('socket', (socket) => this.#onSocket(socket));
    request.prependOnceListener('response', (response) => this.#onResponse(response));
    request.once(errorMonitor, (error) => this.#onError(error));
    request.once('close', () => this.#onClose());
  }

  isConnectFailure(): boolean {
    return !this.#connected && this.#aborted === undefined;
  }

  leave(): void {
    this.#life.stalled.delete(this);
  }

  isPaused(): boolean {
    const response = this.#response;
    return response !== undefined && response.readableFlowing !== true && response.readableLength > 0;
  }

  get progress(): number {
    return this.#response?.socket?.bytesRead ?? 0;
  }

  abandoned(): void {
    this.#life.ended();
  }

  /** Errors look alike whoever ended the connection, so it is noted when the caller does. */
  #noteAbort(): void {
    const request = this.#request;
    const destroy = request.destroy;
    request.destroy = (error) => {
      // Clients give errors of their own for a time that is over.
      const reason = this.#timedOut ? { name: 'TimeoutError' } : error;
      if (!request.destroyed) this.#aborted ??= { reason };
      return destroy.call(request, error);
    };
  }

  #onSocket(socket: Socket & { readonly secureConnecting?: boolean }): void {
    const isConnecting = socket.connecting || socket.secureConnecting === true;
    const isSecure = this.#request.protocol === 'https:';
    if (isConnecting) {
      // A caller who waits in vain for the connection waits for the endpoint.
      this.#life.sent();
      socket.once(isSecure ? 'secureConnect' : 'connect', () => this.#onConnected());
    } else this.#onConnected();
  }

  #onConnected(): void {
    this.#connected = true;
    this.#life.sent();
  }

  #onResponse(response: IncomingMessage): void {
    this.#response = response;
    this.#answered(response);
    this.#life.stalled.add(this);
    response.once('close', () => this.#onResponseClosed(response));
    const nobodyReads = this.#request.listenerCount('response') === 0;
    if (nobodyReads) response.resume();
  }

  #onResponseClosed({ complete, errored }: IncomingMessage): void {
    if (complete) this.#life.ended();
    else this.#broke(errored);
  }

  #onError(error: unknown): void {
    if (this.#response === undefined) this.#broke(error);
  }

  /** After a response, an upgrade or a tunnel; or after nothing at all. */
  #onClose(): void {
    if (this.#response !== undefined) return;
    const { res, socket } = this.#request as ClientRequest & { readonly res?: IncomingMessage | null };
    if (res == null || socket === null) this.#broke(undefined);
    else this.#switched(res, socket);
  }

  /** From now on the socket speaks another protocol, and is in flight for as long as it is open. */
  #switched(head: IncomingMessage, socket: Socket): void {
    this.#answered(head);
    this.#life.upgraded(socket);
  }

  #broke(error: unknown): void {
    if (this.#aborted === undefined) this.#life.failed(error);
    else this.#life.aborted(this.#aborted.reason, this.isPaused());
  }

  #answered({ statusCode = 0, headers }: IncomingMessage): void {
    this.#life.answered(statusCode, (name) => {
      const value = headers[name];
      return Array.isArray(value) ? value[0] : value;
    });
  }
}
