/** Apache Curator's own service discovery, in a Java process that does what it is told: see `curator/CuratorFleet.java`. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { type Deferred, deferred } from '../../runtime/deferred.js';
import { ROOT } from '../architecture/sources.js';
import { exists } from '../servers/environment.js';
import { compileJava, QUICK } from '../servers/java.js';
import { findParty, type Party } from '../servers/party.js';

const JARS = 'usr/share/java';
const LIBRARIES: readonly string[] = [
  ...['curator-client', 'curator-framework', 'curator-recipes', 'curator-x-discovery', 'guava'],
  ...['jackson-annotations', 'jackson-core', 'jackson-databind', 'slf4j-api', 'slf4j-simple'],
  ...['zookeeper', 'zookeeper-jute'],
];

/** A class path. The release is fixed, since Java runs anywhere and the documents say which Curator was met. */
const CURATOR: Party<string> = {
  name: "Apache Curator's Java libraries",
  installed: async ({ PILOTFISH_TEST_CURATOR: given }) =>
    given || ((await exists(`/${JARS}/curator-x-discovery.jar`)) ? classPath('/') : undefined),
  wanted: {
    name: 'curator',
    roots: ['libcurator-discovery-java', 'libcurator-recipes-java'],
    keep: /^lib(curator-(client|framework|recipes|discovery)|guava|jackson2-\w+|slf4j|zookeeper)-java$/,
    suite: 'bookworm',
  },
  inTree: classPath,
};

function classPath(root: string): string {
  return LIBRARIES.map((name) => join(root, JARS, `${name}.jar`)).join(':');
}

export const SPRING_CLASS = 'org.springframework.cloud.zookeeper.discovery.ZookeeperInstance';

/** As Java shows it. */
export interface JavaInstance {
  readonly id: string;
  readonly address: string;
  readonly port: number | null;
  readonly enabled: boolean;
  /** Built by its own specification, if it has one. */
  readonly uri?: string;
  readonly payload?: unknown;
}

export interface Command {
  readonly do: 'register' | 'unregister' | 'list' | 'pick' | 'cache';
  readonly base: string;
  readonly name: string;
  /** Of the payload, for those that register and for those that read. Default `java.lang.Void`. */
  readonly payloadClass?: string;
  readonly [field: string]: unknown;
}

interface Line {
  readonly call?: number;
  readonly value?: unknown;
  readonly error?: string;
  readonly cache?: string;
  readonly instances?: readonly JavaInstance[];
}

export class CuratorFleet {
  readonly #java: ChildProcessByStdio<Writable, Readable, null>;
  readonly #folder: string;
  readonly #calls = new Map<number, Deferred<unknown>>();
  readonly #caches = new Map<string, readonly JavaInstance[]>();
  #count = 0;

  private constructor(java: ChildProcessByStdio<Writable, Readable, null>, folder: string) {
    this.#java = java;
    this.#folder = folder;
    createInterface(java.stdout).on('line', (line) => this.#hear(JSON.parse(line)));
    java.once('close', () => {
      for (const call of this.#calls.values()) call.reject(new Error('the Java process has ended'));
    });
  }

  /** Resolves when it is connected. @param address of ZooKeeper, with a chroot that is there */
  static async start(address: string): Promise<CuratorFleet> {
    const libraries = await findParty(CURATOR);
    const out = await mkdtemp(join(tmpdir(), 'pilotfish-curator-'));
    const source = (name: string): string => join(ROOT, 'test/parties/curator', `${name}.java`);
    const files = [source('CuratorFleet'), source('ZookeeperInstance')];
    const java = await compileJava(files, { classPath: libraries, out }, process.env);
    const logging = '-Dorg.slf4j.simpleLogger.defaultLogLevel=off';
    const args = [...QUICK, '-Xmx96m', logging, '-cp', `${out}:${libraries}`, 'CuratorFleet', address];
    const fleet = new CuratorFleet(spawn(java, args, { stdio: ['pipe', 'pipe', 'inherit'] }), out);
    await fleet.#answer(0);
    return fleet;
  }

  /** Rejects with what Java says when it fails there. */
  call(command: Command): Promise<unknown> {
    const call = ++this.#count;
    this.#java.stdin.write(`${JSON.stringify({ call, ...command })}\n`);
    return this.#answer(call);
  }

  async list(command: Omit<Command, 'do'>): Promise<readonly JavaInstance[]> {
    return (await this.call({ ...(command as Command), do: 'list' })) as readonly JavaInstance[];
  }

  /** What the cache of a service that was opened by a command holds now. */
  cached(name: string): readonly JavaInstance[] {
    return this.#caches.get(name) ?? [];
  }

  /** Its session ends with it. */
  async close(): Promise<void> {
    const ended = once(this.#java, 'close');
    this.#java.stdin.end();
    await ended;
    await rm(this.#folder, { recursive: true });
  }

  #answer(call: number): Promise<unknown> {
    const answer = deferred<unknown>();
    this.#calls.set(call, answer);
    return answer.promise;
  }

  #hear({ call, value, error, cache, instances = [] }: Line): void {
    if (cache !== undefined) return void this.#caches.set(cache, instances);
    const answer = this.#calls.get(call as number);
    this.#calls.delete(call as number);
    if (error === undefined) answer?.resolve(value);
    else answer?.reject(new Error(error));
  }
}
