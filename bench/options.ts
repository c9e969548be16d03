/** What `npm run bench` was asked for. Pure, so that bad input is told before anything starts. */
import { parseArgs } from 'node:util';
import { describe, reject } from '../runtime/expected.js';

export const TOPICS = ['pick', 'updates', 'zookeeper', 'lists', 'sidecar', 'death', 'http'] as const;
export type Topic = (typeof TOPICS)[number];

export interface BenchOptions {
  /** What to measure, in this order. */
  readonly topics: readonly Topic[];
  /** Fewer sizes and rounds: shows that it runs, and no more. */
  readonly quick: boolean;
  /** One JSON object a line instead of tables. */
  readonly json: boolean;
  readonly help: boolean;
}

export const HELP = `Measures pilotfish beside the least that the same job can cost, in the same run. A report: nothing fails by being slow.

Usage: npm run bench -- [${TOPICS.join('|')}]... [options]

  pick        one pick through a service handle, beside the bare loop over an array, grpc-js, undici and moleculer
  updates     one change, a thousand a second, and memory, in a list of 10,000, beside the same three
  zookeeper   lists, reads and memory on a real server, beside the npm packages zookeeper and node-zookeeper-client
  lists       lists on etcd and Consul beside their bare HTTP APIs, and on ZooKeeper in the formats of several ecosystems
  sidecar     time to the first check, memory and CPU at rest, checks on time, beside a bare node process
  death       from SIGKILL of a service to a caller's list without it, on each registry
  http        requests through pilotfish, beside undici's pools by hand, BalancedPool, nginx and HAProxy; also while one of
              three backends is slow or fails
              (without a name: all of them)

  --quick     fewer sizes and rounds, to see that it runs; the figures mean little
  --json      one JSON object a line: {"title": …, "rows": […]}
  --help      this page

Tables and JSON go to standard output, progress to standard error. What each figure means: docs/benchmarks.md
`;

/** Throws BAD_INPUT when an argument is none of ours. */
export function readOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parse(args);
  const topics = positionals.map(topicOf);
  return {
    topics: topics.length === 0 ? TOPICS : topics,
    quick: values.quick ?? false,
    json: values.json ?? false,
    help: values.help ?? false,
  };
}

const FLAGS = {
  quick: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

function parse(args: readonly string[]) {
  const { tokens } = parseArgs({ args: [...args], strict: false, tokens: true });
  const unknown = tokens.find(
    (token) => token.kind === 'option' && !(token.name in FLAGS) && token.name !== 'h',
  );
  if (unknown?.kind === 'option') {
    const known = Object.keys(FLAGS).map((name) => `--${name}`);
    return reject(unknown.rawName, `one of: ${known.join(', ')}`, describe(unknown.rawName));
  }
  return parseArgs({ args: [...args], options: FLAGS, allowPositionals: true });
}

function topicOf(text: string): Topic {
  const topic = TOPICS.find((name) => name === text);
  return topic ?? reject('the arguments', `one of: ${TOPICS.join(', ')}`, describe(text));
}
