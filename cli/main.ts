#!/usr/bin/env node
/**
 * The process around the program: streams, signals, exit code. The program itself is loaded after the compile cache is
 * on, where node has one (22.8 and later), which takes a part of every start but the first.
 */
import { readFileSync } from 'node:fs';
import module from 'node:module';
import { FAILED } from './command.js';
import { outputTo } from './output.js';
import { stopSignals } from './signals.js';

(module as { readonly enableCompileCache?: () => unknown }).enableCompileCache?.();
const { runProgram } = await import('./program.js');

/** A reader that has seen enough (`pilotfish watch … | head`) closes the pipe; that is no failure. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

const { signal, release } = stopSignals(process, () => process.exit(FAILED));
const code = await runProgram(process.argv.slice(2), packageVersion(), {
  env: process.env,
  stdout: outputTo(process.stdout, process.env.NO_COLOR),
  stderr: outputTo(process.stderr, process.env.NO_COLOR),
  stop: signal,
});
release();
process.exit(code);

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
