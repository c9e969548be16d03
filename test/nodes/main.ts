/**
 * `npm run test:nodes -- 22 24 26`: for each Node named, a fresh copy of the tree is installed and built by it and the
 * tests that follow the numbers run on it; without any, those in which the Node matters most. Slow, so not a part of
 * `npm test`, which tries all Nodes too, but what is built for one.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Environment, exists, run } from '../servers/environment.js';
import { nodeBinary } from './find.js';
import { environmentFor, FreshCopy } from './fresh-copy.js';
import { NODE_LINES, type NodeLine } from './lines.js';

/** This file runs from `dist`. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const TESTS = ['test/contract', 'test/resolver/http', 'test/resolver/policies'];

interface Result {
  readonly passed: boolean;
  readonly text: string;
}

const named = process.argv.slice(2).filter((argument) => /^\d+$/.test(argument));
const tests = process.argv.slice(2).filter((argument) => !named.includes(argument));
/** Ctrl-C reaches the child too; this process then removes the copy and tries no further Node. */
let interrupted = false;
process.on('SIGINT', () => {
  interrupted = true;
});

const results: Result[] = [];
for (const line of linesNamed(named)) {
  if (!interrupted) results.push(await testOn(line, tests.length > 0 ? tests : TESTS));
}

const passed = results.filter((result) => result.passed).length;
console.log(`\n${results.map(({ text }) => text).join('\n')}`);
console.log(`${passed} passed, ${results.length - passed} failed`);
process.exitCode = passed === results.length && !interrupted ? 0 : 1;

/** All of them when none is named. */
function linesNamed(majors: readonly string[]): readonly NodeLine[] {
  const known = new Map(NODE_LINES.map((line) => [`${line.major}`, line]));
  const strange = majors.filter((major) => !known.has(major));
  if (strange.length > 0) {
    console.error(`expected some of ${[...known.keys()].join(', ')}, got ${strange.join(', ')}`);
    process.exit(2);
  }
  return majors.length === 0 ? NODE_LINES : majors.flatMap((major) => known.get(major) ?? []);
}

async function testOn(line: NodeLine, tests: readonly string[]): Promise<Result> {
  const node = await nodeBinary(line);
  const version = (await run(node, ['--version'], { env: process.env })).trim();
  console.log(`\n— Node ${version} —`);
  await using copy = await FreshCopy.of(ROOT, process.env);
  const env = await environmentFor(node, copy.bin, process.env);
  const step = (...args: readonly string[]): Promise<boolean> => succeeds(node, args, copy.root, env);
  const passed = (await step('cli/prepare.mjs')) && (await step('test/run.mjs', ...tests));
  const native = (await exists(`${copy.root}/node_modules/zookeeper`)) ? 'compiled' : 'not compiled';
  return { passed, text: `Node ${version}: ${passed ? 'passed' : 'failed'} (package zookeeper ${native})` };
}

function succeeds(node: string, args: readonly string[], cwd: string, env: Environment): Promise<boolean> {
  const child = spawn(node, args, { cwd, env: { ...env }, stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code === 0));
  });
}
