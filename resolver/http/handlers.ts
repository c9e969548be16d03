/**
 * Handlers that pass everything on to the caller's and keep the account of the attempt meanwhile; what fails before the response
 * has begun may go elsewhere, and is then not passed on. undici has two dialects: undici 7 and the built-in fetch of Node 20
 * to 24 speak the older, Node 26 and undici 8 the newer. Each has its own decorator, because translating between them costs
 * more than everything else here.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { FailureKind } from '../policy.js';
import { drain } from './drain.js';
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

/** The request that this is an attempt of. */
export interface Whole {
  /** Asked about a failure before the caller is told of it. True when it is not to be told. */
  goesElsewhere(failure: FailureKind | undefined): boolean;
  /** The caller wants no answer any more. */
  giveUp(): void;
  /** Whether the error is that of the body that the caller sends. */
  isOfBody(error: Error): boolean;
}

export function accounted(handler: Handler, life: RequestLife, whole: Whole): Handler {
  return usesController(handler)
    ? new ControllerHandler(handler, life, whole)
    : new CallbackHandler(handler, life, whole);
}

class CallbackHandler implements Handler, Stallable {
  /** The caller's, or one that drains what nobody wants. */
  #handler: Handler;
  readonly #life: RequestLife;
  readonly #whole: Whole;
  progress = 0;
  #abort: Abort | undefined;
  #aborted: { readonly reason: unknown } | undefined;
  /** The response has begun: from now on there is no other attempt. */
  #begun = false;
  #paused = false;
  #drained = false;

  constructor(handler: Handler, life: RequestLife, whole: Whole) {
    this.#handler = handler;
    this.#life = life;
    this.#whole = whole;
  }

  /** A caller who gave up while the request was waiting ends it here, and then it was never sent. */
  onConnect(abort: Abort, context?: unknown): void {
    this.#abort = abort;
    const noted: Abort = (reason) => {
      this.#aborted ??= { reason };
      this.#whole.giveUp();
      abort(reason);
    };
    (this.#handler.onConnect as ((abort: Abort, context: unknown) => void) | undefined)?.(noted, context);
    if (this.#aborted === undefined) this.#life.sent();
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.();
  }

  onHeaders(status: number, headers: Buffer[], resume: () => void, statusText: string): boolean {
    if (status < 200) return this.#handler.onHeaders?.(status, headers, resume, statusText) ?? true;
    const failure = this.#life.answered(status, (name) => rawHeader(headers, name));
    this.#begun = true;
    if (failure !== undefined && this.#whole.goesElsewhere(failure)) return this.#drain();
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
    this.#begun = true;
    this.#life.answered(status, (name) => rawHeader(headers ?? [], name));
    this.#life.upgraded(socket);
    this.#handler.onUpgrade?.(status, headers, socket);
  }

  onComplete(trailers: string[] | null): void {
    this.#move();
    this.#life.ended();
    this.#handler.onComplete?.(trailers);
  }

  onError(error: Error): void {
    const failure = this.#failed(error);
    this.#move();
    if (this.#begun || !this.#whole.goesElsewhere(failure)) this.#handler.onError?.(error);
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
    if (this.#drained) this.#abort?.();
  }

  #failed(error: Error): FailureKind | undefined {
    if (this.#aborted === undefined && !this.#whole.isOfBody(error)) return this.#life.failed(error);
    this.#life.aborted(this.#aborted?.reason, this.#paused);
    return undefined;
  }

  /** Nobody reads it, so that it counts as one that stands still when nothing of it comes. */
  #drain(): boolean {
    this.#drained = true;
    this.#handler = drain(() => this.#abort?.());
    this.#note(false);
    return true;
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
  /** The caller's, or one that drains what nobody wants. */
  #handler: Handler;
  readonly #life: RequestLife;
  readonly #whole: Whole;
  progress = 0;
  #controller: Controller | undefined;
  /** The response has begun: from now on there is no other attempt. */
  #begun = false;
  #marked = false;
  #drained = false;

  constructor(handler: Handler, life: RequestLife, whole: Whole) {
    this.#handler = handler;
    this.#life = life;
    this.#whole = whole;
  }

  /** A caller who gave up while the request was waiting ends it here, and then it was never sent. */
  onRequestStart(controller: Controller, context: unknown): void {
    this.#controller = controller;
    this.#handler.onRequestStart?.(controller, context);
    if (!controller.aborted) this.#life.sent();
  }

  onRequestUpgrade(
    controller: Controller,
    status: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    this.#begun = true;
    this.#life.answered(status, (name) => firstOf(headers[name]));
    this.#life.upgraded(socket);
    this.#handler.onRequestUpgrade?.(controller, status, headers, socket);
  }

  onResponseStart(
    controller: Controller,
    status: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    if (status >= 200) {
      const failure = this.#life.answered(status, (name) => firstOf(headers[name]));
      this.#begun = true;
      if (failure !== undefined && this.#whole.goesElsewhere(failure)) this.#drain(controller);
    }
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
    const failure = this.#failed(error);
    this.#move();
    if (this.#begun || !this.#whole.goesElsewhere(failure))
      this.#handler.onResponseError?.(controller, error);
  }

  isPaused(): boolean {
    return this.#drained || this.#controller?.paused === true;
  }

  abandoned(): void {
    this.#marked = false;
    this.#life.ended();
    if (this.#drained) this.#cutOff();
  }

  #failed(error: Error): FailureKind | undefined {
    const { aborted = false, reason, paused } = this.#controller ?? {};
    if (!aborted && !this.#whole.isOfBody(error)) return this.#life.failed(error);
    // What is drained was given up by ourselves: the request itself is elsewhere.
    if (!this.#drained) this.#whole.giveUp();
    this.#life.aborted(reason, paused === true);
    return undefined;
  }

  #drain(controller: Controller): void {
    this.#drained = true;
    this.#handler = drain(() => this.#cutOff());
    this.#note(controller);
  }

  #cutOff(): void {
    this.#controller?.abort(new Error('the rest of the response is not wanted'));
  }

  #note(controller: Controller): void {
    if (!this.#drained && !controller.paused) return;
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
