/**
 * Handlers that pass everything on to the caller's and keep the account of the request meanwhile. undici has two dialects:
 * undici 7 and the built-in fetch of Node 20 to 24 speak the older, Node 26 and undici 8 the newer. Each has its own
 * decorator, because translating between them costs more than everything else here.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { RequestLife } from './request-life.js';
import type { Stallable } from './stalled-bodies.js';

type Handler = Dispatcher.DispatchHandler;
type Controller = Dispatcher.DispatchController;
type Abort = (reason?: Error) => void;
type RawHeaders = readonly (Buffer | string)[];

/** True for the newer dialect. */
export function usesController(handler: Handler): boolean {
  return typeof handler.onRequestStart === 'function';
}

export function accounted(handler: Handler, life: RequestLife): Handler {
  return usesController(handler) ? new ControllerHandler(handler, life) : new CallbackHandler(handler, life);
}

class CallbackHandler implements Handler, Stallable {
  readonly #handler: Handler;
  readonly #life: RequestLife;
  progress = 0;
  #aborted: { readonly reason: unknown } | undefined;
  #paused = false;

  constructor(handler: Handler, life: RequestLife) {
    this.#handler = handler;
    this.#life = life;
  }

  onConnect(abort: Abort, context?: unknown): void {
    this.#life.sent();
    const noted: Abort = (reason) => {
      this.#aborted ??= { reason };
      abort(reason);
    };
    (this.#handler.onConnect as ((abort: Abort, context: unknown) => void) | undefined)?.(noted, context);
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.();
  }

  onHeaders(status: number, headers: Buffer[], resume: () => void, statusText: string): boolean {
    if (status < 200) return this.#handler.onHeaders?.(status, headers, resume, statusText) ?? true;
    this.#life.answered(status, (name) => rawHeader(headers, name));
    const moveOn = (): void => {
      this.#move();
      resume();
    };
    return this.#note(this.#handler.onHeaders?.(status, headers, moveOn, statusText));
  }

  onData(chunk: Buffer): boolean {
    this.progress++;
    return this.#note(this.#handler.onData?.(chunk));
  }

  onUpgrade(status: number, headers: Buffer[] | string[] | null, socket: Duplex): void {
    this.#life.answered(status, (name) => rawHeader(headers ?? [], name));
    socket.once('close', () => this.#life.ended());
    this.#handler.onUpgrade?.(status, headers, socket);
  }

  onComplete(trailers: string[] | null): void {
    this.#move();
    this.#life.ended();
    this.#handler.onComplete?.(trailers);
  }

  onError(error: Error): void {
    if (this.#aborted === undefined) this.#life.failed(error);
    else this.#life.aborted(this.#aborted.reason, this.#paused);
    this.#move();
    this.#handler.onError?.(error);
  }

  onBodySent(chunk: unknown, bytes?: unknown): void {
    (this.#handler.onBodySent as ((chunk: unknown, bytes: unknown) => void) | undefined)?.(chunk, bytes);
  }

  onRequestSent(): void {
    (this.#handler as { onRequestSent?(): void }).onRequestSent?.();
  }

  isPaused(): boolean {
    return this.#paused;
  }

  abandoned(): void {
    this.#life.ended();
  }

  /** @param goOn What the caller's handler returned: false asks for a pause. */
  #note(goOn: boolean | undefined): boolean {
    if (goOn !== false) return true;
    this.#paused = true;
    this.#life.stalled.add(this);
    return false;
  }

  #move(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#life.stalled.delete(this);
  }
}

class ControllerHandler implements Handler, Stallable {
  readonly #handler: Handler;
  readonly #life: RequestLife;
  progress = 0;
  #controller: Controller | undefined;
  #marked = false;

  constructor(handler: Handler, life: RequestLife) {
    this.#handler = handler;
    this.#life = life;
  }

  onRequestStart(controller: Controller, context: unknown): void {
    this.#controller = controller;
    this.#life.sent();
    this.#handler.onRequestStart?.(controller, context);
  }

  onRequestUpgrade(
    controller: Controller,
    status: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    this.#life.answered(status, (name) => firstOf(headers[name]));
    socket.once('close', () => this.#life.ended());
    this.#handler.onRequestUpgrade?.(controller, status, headers, socket);
  }

  onResponseStart(
    controller: Controller,
    status: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (status >= 200) this.#life.answered(status, (name) => firstOf(headers[name]));
    this.#handler.onResponseStart?.(controller, status, headers, statusMessage);
    this.#note(controller);
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.progress++;
    this.#move();
    this.#handler.onResponseData?.(controller, chunk);
    this.#note(controller);
  }

  onResponseEnd(controller: Controller, trailers: IncomingHttpHeaders): void {
    this.#move();
    this.#life.ended();
    this.#handler.onResponseEnd?.(controller, trailers);
  }

  onResponseError(controller: Controller, error: Error): void {
    const { aborted = false, reason, paused } = this.#controller ?? {};
    if (aborted) this.#life.aborted(reason, paused === true);
    else this.#life.failed(error);
    this.#move();
    this.#handler.onResponseError?.(controller, error);
  }

  isPaused(): boolean {
    return this.#controller?.paused === true;
  }

  abandoned(): void {
    this.#marked = false;
    this.#life.ended();
  }

  #note(controller: Controller): void {
    if (!controller.paused) return;
    this.#marked = true;
    this.#life.stalled.add(this);
  }

  #move(): void {
    if (!this.#marked) return;
    this.#marked = false;
    this.#life.stalled.delete(this);
  }
}

/** A field of headers that are a flat list of names and values. */
function rawHeader(headers: RawHeaders, name: string): string | undefined {
  const at = headers.findIndex((each, n) => n % 2 === 0 && each.toString().toLowerCase() === name);
  return at === -1 ? undefined : firstOf(headers[at + 1] as Buffer | string | Buffer[]);
}

/** A repeated field is a list. */
function firstOf(value: undefined | string | Buffer | readonly (string | Buffer)[]): string | undefined {
  const first = Array.isArray(value) ? value[0] : value;
  return first?.toString();
}
