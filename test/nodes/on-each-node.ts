/** Checks as tests, each on every line of Node, in one process for each line. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MessageProcess } from '../zookeeper/fault-process.js';
import { nodeBinary } from './find.js';
import { NODE_LINES, type NodeLine } from './lines.js';

/** What a machine that has none of the Nodes may take to get one. */
export const GETTING_LIMIT_MS = 300_000;

export interface CheckOptions {
  /** Default: all. */
  readonly lines?: readonly NodeLine[];
  /** What every check is given. */
  readonly args?: () => Promise<readonly string[]>;
  /** What cannot be on a line, for a reason that is not ours. */
  readonly except?: (line: NodeLine, check: string) => boolean;
}

/** @param module Exports `checks`, whose names become those of the tests. */
export async function testOnEachNode(
  module: URL,
  { lines = NODE_LINES, args = async () => [], except = () => false }: CheckOptions = {},
): Promise<void> {
  const { checks } = (await import(module.href)) as { readonly checks: object };
  describe.each(lines)('on Node $major', (line) => {
    let child: MessageProcess<string, { readonly name: string; readonly error?: string }>;

    beforeAll(async () => {
      const [node, given] = await Promise.all([nodeBinary(line), args()]);
      const script = new URL('./checks-process.mjs', import.meta.url);
      child = await MessageProcess.start(script, [module.href, ...given], node);
    }, GETTING_LIMIT_MS);

    afterAll(() => child?.[Symbol.asyncDispose]());

    const names = Object.keys(checks).filter((check) => !except(line, check));
    test.each(names)('%s', async (name) => {
      const { error } = await child.ask(name, (answer) => answer.name === name);
      if (error !== undefined) throw new Error(error);
    });

    test('nothing of it makes Node print a warning', () => {
      expect(child.output).toBe('');
    });
  });
}
