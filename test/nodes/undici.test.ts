/** T33, two undici in one process: the dispatcher in the hands of npm's undici 6, 7 and 8, on each Node that is supported. */
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';
import { NODE_LINES } from './lines.js';
import { npmPackage } from './npm.js';
import { testOnEachNode } from './on-each-node.js';
import { GLOBAL_FOR_BUILT_IN } from './undici-checks.mjs';

const CHECKS = new URL('./undici-checks.mjs', import.meta.url);
const fromNpm = (version: string) => async () => [await npmPackage('undici', version, process.env)];

describe('undici 6 (T33)', () =>
  testOnEachNode(CHECKS, {
    args: fromNpm('6.29.1'),
    // It sets the place where Node up to 24 looks, whatever dispatcher it is given.
    except: ({ major }, check) => major >= 26 && check === GLOBAL_FOR_BUILT_IN,
  }));

describe('undici 7, of which the dispatcher is made', () => {
  const own = fileURLToPath(new URL('../../node_modules/undici', import.meta.url));
  return testOnEachNode(CHECKS, { args: async () => [own] });
});

describe('undici 8, which needs Node 22.19 (T33)', () => {
  const from22 = NODE_LINES.filter(({ major }) => major >= 22);
  const lines = from22.map((line) => (line.major === 22 ? { ...line, lowestMinor: 19 } : line));
  return testOnEachNode(CHECKS, { args: fromNpm('8.13.1'), lines });
});
