/**
 * Where the log leaves the process. A reader that stops reading (a stuck log collector, a stopped terminal) must stop
 * neither a check nor a heartbeat, so nothing is ever waited for here: a line is written at once where there is room, and
 * else kept until there is. What does not fit into that either is dropped and counted.
 *
 * Written at once, because the last lines before an end are the ones that count, and not by Node's asynchronous writes:
 * each of those occupies one of few threads for as long as the reader sleeps, and keeps the process from ending.
 */
import { type Clock, sleep } from '../runtime/clock.js';
import type { LogTarget } from './log-target.js';

/** What is kept for a reader that is behind: some thousand lines. */
export const MAX_WAITING_BYTES = 1024 * 1024;

/** How often such a reader is looked at. */
export const RETRY_MS = 50;

type Written = 'whole' | 'in part' | 'no room' | 'failed';

export class LogOutlet {
  readonly #target: LogTarget;
  readonly #clock: Clock;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #droppedLines = 0;
  /** Of these, those that nobody was told of. */
  #untold = 0;
  #cancel: (() => void) | undefined;
  #isClosed = false;
  #tell: (dropped: number) => void = () => {};

  /** Owns the target. */
  constructor(target: LogTarget, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
  }

  /** Lines that nobody will read: there was no room for them, or nobody is there, or the disk is full. */
  get droppedLines(): number {
    return this.#droppedLines;
  }

  /** `tell` is called when a line was written again after some were dropped, with how many those were. */
  onCaughtUp(tell: (dropped: number) => void): void {
    this.#tell = tell;
  }

  /** Returns at once, whatever becomes of the line. */
  write(line: string): void {
    const bytes = Buffer.from(line);
    const hasRoom = this.#waitingBytes + bytes.length <= MAX_WAITING_BYTES;
    if (hasRoom && !this.#isClosed) this.#keep(bytes);
    else this.#drop();
  }

  /** Resolves when nothing waits any more, and after `limitMs` at the latest. */
  async flush(limitMs: number): Promise<void> {
    const endsAt = this.#clock.now() + limitMs;
    while (this.#waitingBytes > 0 && this.#clock.now() < endsAt) await sleep(this.#clock, RETRY_MS);
  }

  /** Gives up what waits, and whatever is written afterwards. To be called once. */
  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
    this.#target.close();
  }

  #keep(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#cancel === undefined) this.#push();
  }

  #push(): void {
    this.#cancel = undefined;
    let written: Written = 'in part';
    while (this.#waiting.length > 0 && written !== 'no room') written = this.#tryFirst();
    if (written === 'no room') this.#cancel = this.#clock.after(RETRY_MS, () => this.#push());
    // Only after a success: where nobody reads any more this line would be lost as well, and tell of itself.
    if (written === 'whole' && this.#untold > 0) this.#tellOfDropped();
  }

  /** One write. What was written of the line, or can never be, waits no more. */
  #tryFirst(): Written {
    const [first] = this.#waiting as [Uint8Array];
    try {
      const length = this.#target.write(first);
      this.#took(length);
      return length === first.length ? 'whole' : 'in part';
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 'no room';
      this.#took(first.length);
      this.#drop();
      return 'failed';
    }
  }

  #took(length: number): void {
    const first = this.#waiting.shift() as Uint8Array;
    this.#waitingBytes -= length;
    if (length < first.length) this.#waiting.unshift(first.subarray(length));
  }

  #drop(): void {
    this.#droppedLines++;
    this.#untold++;
  }

  #tellOfDropped(): void {
    const dropped = this.#untold;
    this.#untold = 0;
    this.#tell(dropped);
  }
}
