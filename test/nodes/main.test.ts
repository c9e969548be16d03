/** The command `npm run test:nodes` as far as it goes without trying a Node. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('../../dist/test/nodes/main.js', import.meta.url));

test('a Node that is not supported is refused, with those that are', async () => {
  await expect(promisify(execFile)(process.execPath, [MAIN, '22', '21', '18'])).rejects.toMatchObject({
    code: 2,
    stderr: 'expected some of 20, 22, 24, 26, got 21, 18\n',
  });
});
