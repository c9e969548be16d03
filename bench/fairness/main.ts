/**
 * `npm run fairness`: plays the experiments of docs/fairness.md and prints their tables; with `--write` they are put
 * there. They come out alike every time and everywhere: nothing in them is a measurement of time.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '../../runtime/errors.js';
import { replaceMathRandom } from './chance.js';
import { withGenerated } from './document.js';

const DOCUMENT = new URL('../../../docs/fairness.md', import.meta.url);

try {
  const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } });
  replaceMathRandom();
  // Only now: what this loads may keep the `Math.random` that it finds.
  const { allTables } = await import('./tables.js');
  const tables = await allTables();
  process.stdout.write(tables);
  if (values.write) await writeFile(DOCUMENT, withGenerated(await readFile(DOCUMENT, 'utf8'), tables));
} catch (error) {
  process.stderr.write(`fairness: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
