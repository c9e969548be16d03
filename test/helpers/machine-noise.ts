/**
 * How late this machine lets anybody be, right now: a thread that only sleeps says how much longer than asked it slept. A
 * test that promises a time allows so much more, and thereby fails for what it tests and not for what else is running.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

const SLEEP_MS = 20;

const SLEEPER = `
  const { parentPort } = require('node:worker_threads');
  const late = [];
  let at = performance.now();
  setInterval(() => {
    const now = performance.now();
    late.push(now - at - ${SLEEP_MS});
    at = now;
  }, ${SLEEP_MS});
  parentPort.on('message', () => parentPort.postMessage(late));`;

export class MachineNoise implements AsyncDisposable {
  readonly #sleeper = new Worker(SLEEPER, { eval: true });

  /** Resolves when it is measured. */
  static async start(): Promise<MachineNoise> {
    const noise = new MachineNoise();
    await once(noise.#sleeper, 'online');
    return noise;
  }

  /** How much too long that share of the sleeps were so far, in ms. @param share 0.9 for the ninth of ten. */
  async lateness(share: number): Promise<number> {
    this.#sleeper.postMessage('how late?');
    const [late] = (await once(this.#sleeper, 'message')) as [number[]];
    return Math.max(0, late.sort((a, b) => a - b)[Math.floor(late.length * share)] ?? 0);
  }

  /** The sum of all, in ms: what a wait may have lost to others since the start. */
  async total(): Promise<number> {
    this.#sleeper.postMessage('how late?');
    const [late] = (await once(this.#sleeper, 'message')) as [number[]];
    return late.reduce((sum, ms) => sum + Math.max(0, ms), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sleeper.terminate();
  }
}
