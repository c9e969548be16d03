/**
 * Passes when a program says so by its exit code, in the convention that monitoring plugins share: 0 is passing, 1
 * warning, anything else failing. The first line that it writes is the reason.
 *
 * No shell is involved, and nothing of this process is handed on: the program runs in `/`, with no input, with an
 * environment that holds no secret, and as the leader of a process group of its own. The group is killed at the
 * deadline, and so is whatever the program has left behind when it ends. A process that has moved to another
 * session escapes that, as daemons do on purpose.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Clock } from '../../runtime/clock.js';
import type { ExecProbeConfig } from '../config/config.js';
import { killGroupOf } from '../supervise/child.js';
import { describeEnding, type Ending, endingOf } from '../supervise/ending.js';
import { checkWithin, type Probe } from './probe.js';
import { type CheckStatus, failing, type Verdict } from './verdict.js';

/** What a program may write. More is a failure, so that it costs us no more to read. */
export const MAX_OUTPUT_BYTES = 1024 * 1024;

/** The part of it in which the first line is looked for. */
const KEPT_BYTES = 4096;

/** How long a pipe may stay open after the program has ended, in the hands of a process that escaped. */
const OUTPUT_GRACE_MS = 100;

const FALLBACK_PATH = '/usr/local/bin:/usr/bin:/bin';

export function execProbe(config: ExecProbeConfig, clock: Clock): Probe {
  return {
    name: config.name,
    type: 'exec',
    pace: 'interval',
    deadlineMs: config.timeoutMs,
    check: (signal) =>
      checkWithin(clock, config.timeoutMs, config.command[0], signal, (signal) => run(config, clock, signal)),
  };
}

async function run(config: ExecProbeConfig, clock: Clock, signal: AbortSignal): Promise<Verdict> {
  signal.throwIfAborted();
  const child = start(config);
  const kill = (): void => killRunning(child);
  const output = new Output(child, kill);
  signal.addEventListener('abort', kill, { once: true });
  try {
    return judge(await ended(child, clock), output);
  } finally {
    signal.removeEventListener('abort', kill);
    output.close();
  }
}

function start({ command: [program, ...args], subject }: ExecProbeConfig): ChildProcess {
  return spawn(program, args, {
    cwd: '/',
    env: {
      PATH: process.env.PATH ?? FALLBACK_PATH,
      PILOTFISH_SERVICE: subject.service,
      PILOTFISH_ID: subject.id,
      PILOTFISH_PORT: String(subject.port),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
}

/** Only while its leader is not reaped: afterwards its number may be that of another group. */
function killRunning({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid !== undefined && exitCode === null && signalCode === null) killGroupOf(pid);
}

/** Resolves when the program has ended, its group was killed, and its output is read. Rejects when it cannot start. */
function ended(child: ChildProcess, clock: Clock): Promise<Ending> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      // In the same turn in which it was reaped: its number cannot have come round to a stranger yet.
      killGroupOf(child.pid as number);
      const done = (): void => resolve(endingOf(code, signal));
      const cancel = clock.after(OUTPUT_GRACE_MS, done);
      child.once('close', () => {
        cancel();
        done();
      });
    });
  });
}

function judge(ending: Ending, output: Output): Verdict {
  if (output.isTooLong) return failing(`wrote more than ${MAX_OUTPUT_BYTES} bytes`);
  const said = output.firstLine();
  const reason = `${describeEnding(ending)}${said === '' ? '' : `: ${said}`}`;
  return { status: ending.type === 'exited' ? statusOf(ending.code) : 'failing', reason };
}

function statusOf(exitCode: number): CheckStatus {
  if (exitCode === 0) return 'passing';
  return exitCode === 1 ? 'warning' : 'failing';
}

/** What a program writes: counted to its end, kept from its beginning. */
class Output {
  readonly #onTooLong: () => void;
  /** Standard output first, which is where the convention puts the reason. */
  readonly #streams: readonly Readable[];
  readonly #beginnings: string[] = [];
  #length = 0;

  /** Reads until `close()`. */
  constructor({ stdout, stderr }: ChildProcess, onTooLong: () => void) {
    this.#onTooLong = onTooLong;
    // Without descriptors left there are no pipes either.
    this.#streams = [stdout, stderr].filter((stream) => stream != null);
    this.#streams.forEach((stream, i) => {
      stream.on('error', () => {});
      stream.on('data', (chunk: Buffer) => this.#take(chunk, i));
    });
  }

  get isTooLong(): boolean {
    return this.#length > MAX_OUTPUT_BYTES;
  }

  /** The first that is not empty; empty when there is none. */
  firstLine(): string {
    const lines = this.#beginnings.flatMap((text) => text.split('\n'));
    return lines.map((line) => line.trim()).find((line) => line !== '') ?? '';
  }

  close(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  #take(chunk: Buffer, i: number): void {
    const before = this.#beginnings[i] ?? '';
    if (before.length < KEPT_BYTES) this.#beginnings[i] = before + chunk.toString('utf8', 0, KEPT_BYTES);
    this.#length += chunk.length;
    if (this.isTooLong) this.#onTooLong();
  }
}
