/**
 * The orders for one instance, kept in a file so that they survive a restart: nobody expects that a crash ends the
 * maintenance. They end when their time is over, whether or not anybody looks.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../../runtime/clock.js';
import { coalesced } from '../../runtime/coalesced.js';
import { messageOf } from '../../runtime/errors.js';
import { Emitter, type Event } from '../../runtime/events.js';
import { formatProblem } from '../../runtime/expected.js';
import type { Logger } from '../../runtime/logger.js';
import { inForce, NO_ORDERS, nextEnd, type Orders, parseOrders } from './orders.js';

export interface OrderBookContext {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The directory under which each instance has a file `<service>/<id>.json`. Made when something is to be kept. */
  readonly stateDir: string;
}

/** Which instance. */
export interface InstanceName {
  readonly service: string;
  readonly id: string;
}

export interface OrdersChange {
  readonly orders: Orders;
  /** What led to it, for the log and for `status`. */
  readonly cause: string;
}

export class OrderBook {
  readonly #file: string;
  readonly #context: OrderBookContext;
  readonly #changes = new Emitter<OrdersChange>();
  #orders: Orders;
  #isKept = true;
  #cancel: () => void = () => {};

  private constructor(file: string, orders: Orders, context: OrderBookContext) {
    this.#file = file;
    this.#context = context;
    this.#orders = inForce(orders, context.clock.wallNow());
    this.#waitForEnd();
  }

  /** With what was kept for the instance. What cannot be read is reported in the log and counts as no order. */
  static async open({ service, id }: InstanceName, context: OrderBookContext): Promise<OrderBook> {
    const file = join(context.stateDir, service, `${id}.json`);
    return new OrderBook(file, await readOrders(file, context.logger), context);
  }

  /** Fires after each change, by hand or because the time of an order is over. */
  readonly onChange: Event<OrdersChange> = this.#changes.event;

  /** Those that are in force. */
  get orders(): Orders {
    return this.#orders;
  }

  /** Whether they survive a restart; false when the last change could not be written. */
  get isKept(): boolean {
    return this.#isKept;
  }

  /**
   * Puts `changes` over the present orders. They hold at once and in any case: where they cannot be written, on a full
   * disk or a read-only one, they are lost with this process, which the log and `isKept` say.
   */
  async change(changes: Partial<Orders>, cause: string): Promise<void> {
    const orders = { ...this.#orders, ...changes };
    this.#orders = orders;
    this.#waitForEnd();
    this.#changes.emit({ orders, cause });
    await this.#keep();
  }

  /** Ends the timer. What is kept stays. */
  close(): void {
    this.#cancel();
  }

  #waitForEnd(): void {
    const { clock } = this.#context;
    this.#cancel();
    const end = nextEnd(this.#orders);
    if (end === undefined) return;
    this.#cancel = clock.after(end - clock.wallNow(), () => {
      this.#cancel = () => {};
      const left = inForce(this.#orders, clock.wallNow());
      // The wall clock was set back meanwhile: not over yet.
      if (left === this.#orders) return this.#waitForEnd();
      void this.change(left, 'the time of an order is over');
    });
  }

  /** What is in force when its turn comes: a write that was overtaken is of no use. */
  readonly #keep = coalesced(async () => {
    const orders = this.#orders;
    try {
      await (hasOrders(orders)
        ? writeWhole(this.#file, JSON.stringify(orders))
        : rm(this.#file, { force: true }));
      this.#isKept = true;
    } catch (error) {
      this.#isKept = false;
      const fields = { file: this.#file, cause: messageOf(error) };
      this.#context.logger.warn(fields, 'could not keep the orders: they end with this process');
    }
  });
}

function hasOrders({ maintenance, forced, weight }: Orders): boolean {
  return maintenance !== undefined || forced !== undefined || weight !== undefined;
}

/** A reader finds the old text or the new one, never a half. */
async function writeWhole(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, text, { mode: 0o600 });
  await rename(draft, file);
}

async function readOrders(file: string, logger: Logger): Promise<Orders> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR')
      logger.error({ file, cause: messageOf(error) }, 'could not read the orders that were kept');
    return undefined;
  });
  if (text === undefined) return NO_ORDERS;
  try {
    const { orders, problems } = parseOrders(JSON.parse(text));
    for (const problem of problems)
      logger.error({ file, cause: formatProblem(problem) }, 'passed over an order');
    return orders;
  } catch {
    logger.error({ file, cause: 'expected JSON' }, 'could not read the orders that were kept');
    return NO_ORDERS;
  }
}
