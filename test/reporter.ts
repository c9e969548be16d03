/**
 * The last line of a run, for people and programs that read only that: `12 passed, 0 failed`, with
 * `, 3 skipped` when something was. It is printed as the process ends, after everything else has spoken,
 * and agrees with the exit code: a file that did not load or an error outside a test is a failure too.
 */
import { writeSync } from 'node:fs';
import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node';

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export default class LastLineReporter implements Reporter {
  /** Until a run has ended nothing is known to be well. */
  #counts: Counts = { passed: 0, failed: 1, skipped: 0 };

  onInit(): void {
    process.once('exit', (code) => this.#print(code));
    process.send?.('the last line is taken care of');
    // `run.mjs` listens for that one message; the channel to it must not keep this process waiting.
    process.channel?.unref();
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[], reason: TestRunEndReason): void {
    this.#counts = count(modules, errors.length, reason);
  }

  #print(exitCode: number): void {
    const { passed, failed, skipped } = this.#counts;
    const told = exitCode !== 0 && failed === 0 ? 1 : failed;
    writeSync(1, `${lastLine({ passed, failed: told, skipped })}\n`);
  }
}

export function lastLine({ passed, failed, skipped }: Counts): string {
  const line = `${passed} passed, ${failed} failed`;
  return skipped > 0 ? `${line}, ${skipped} skipped` : line;
}

function count(modules: readonly TestModule[], errors: number, reason: TestRunEndReason): Counts {
  const states = modules.flatMap((module) =>
    [...module.children.allTests()].map((test) => test.result().state),
  );
  const of = (state: string): number => states.filter((each) => each === state).length;
  const unfinished = of('pending');
  const failed = of('failed') + brokenSuites(modules) + errors + unfinished;
  const atLeast = reason === 'passed' ? failed : Math.max(failed, 1);
  return { passed: of('passed'), failed: atLeast, skipped: of('skipped') };
}

/** Files and suites with errors of their own: a syntax error, a failed `beforeAll`. */
function brokenSuites(modules: readonly TestModule[]): number {
  return modules
    .flatMap((module) => [module, ...module.children.allSuites()])
    .filter((suite) => suite.errors().length > 0).length;
}
