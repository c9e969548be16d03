/**
 * The entry of `npm test`: lint, types, then the tests. When files are named (`npm test -- some/file`) only
 * the tests run, those alone. Stops at the first failing step and exits with its code; the last line
 * printed always counts passed and failed, whichever step that was.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const passedOn = process.argv.slice(2);

const checks = [
  { title: 'Lint', program: 'biome', args: ['check', '.'] },
  { title: 'Types', program: 'tsc', args: ['-p', 'tsconfig.json'] },
];
const tests = { title: 'Tests', program: 'vitest', args: ['run', ...passedOn] };

const namesFiles = passedOn.some((argument) => !argument.startsWith('-'));
for (const step of namesFiles ? [tests] : [...checks, tests]) {
  const { code, counted } = await run(step);
  if (code === 0) continue;
  if (!counted) console.log('0 passed, 1 failed');
  process.exit(code);
}

/**
 * @param {{ title: string, program: string, args: string[] }} step
 * @returns {Promise<{ code: number, counted: boolean }>} `counted` when the step prints the last line itself
 */
function run({ title, program, args }) {
  console.log(`\n— ${title} —`);
  const file = join(root, 'node_modules', '.bin', program);
  const child = spawn(file, args, { cwd: root, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  const stopForwarding = forwardSignals(child);
  return new Promise((resolve) => {
    let counted = false;
    child.on('message', () => {
      counted = true;
    });
    child.once('error', (error) => {
      console.error(`cannot run ${program}: ${error.message}`);
      resolve({ code: 1, counted: false });
    });
    child.once('close', (code, signal) => {
      stopForwarding();
      resolve({ code: code ?? 1, counted: counted && signal === null });
    });
  });
}

/**
 * The step decides how it ends; this process waits for it.
 * @param {import('node:child_process').ChildProcess} child
 */
function forwardSignals(child) {
  const forward = (/** @type {NodeJS.Signals} */ signal) => child.kill(signal);
  process.on('SIGINT', forward).on('SIGTERM', forward);
  return () => process.off('SIGINT', forward).off('SIGTERM', forward);
}
