/** A child process that answers messages; bound to this one, and ended by whoever started it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export class MessageProcess<Message extends object | string, Answer> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Set<(answer: Answer) => void>();
  readonly #ended: Promise<never>;
  #output = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    // Not `exit`: its last words may come after that.
    this.#ended = once(child, 'close').then(([code, signal]) => {
      throw new Error(`it ended early, with ${signal ?? code}\n${this.#output}`);
    });
    this.#ended.catch(() => {});
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
  }

  /**
   * Resolves when it has said that it is ready. @param script A file of this folder, or a URL of one. @param node The
   * program that runs it; default the one that runs this.
   */
  static async start<Message extends object | string, Answer>(
    script: string | URL,
    args: readonly string[] = [],
    node: string = process.execPath,
  ): Promise<MessageProcess<Message, Answer>> {
    const file = fileURLToPath(new URL(script, import.meta.url));
    const child = fork(file, [...args], { silent: true, execArgv: [], execPath: node });
    const started = new MessageProcess<Message, Answer>(child);
    await Promise.race([once(child, 'message'), started.#ended]);
    child.on('message', (answer) => {
      for (const look of started.#waiting) look(answer as Answer);
    });
    return started;
  }

  /** All it has printed. */
  get output(): string {
    return this.#output;
  }

  /** What ended it; undefined while it runs, or when it ended by itself. */
  get endedBy(): NodeJS.Signals | undefined {
    return this.#child.signalCode ?? undefined;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves with the next answer that `isMine`; rejects when the process ends. */
  ask(message: Message, isMine: (answer: Answer) => boolean = () => true): Promise<Answer> {
    const answered = new Promise<Answer>((resolve) => {
      const look = (answer: Answer): void => {
        if (!isMine(answer)) return;
        this.#waiting.delete(look);
        resolve(answer);
      };
      this.#waiting.add(look);
      // Whether it could be sent shows in whether there is an answer.
      this.#child.send(message, () => {});
    });
    return Promise.race([answered, this.#ended]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
