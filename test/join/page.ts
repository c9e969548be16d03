/**
 * A page of docs/join/, whose commands and programs are run as its reader would run them: by a shell, in a folder that has
 * pilotfish installed. The test says where the page's registries and ports really are, and in the end whether all blocks
 * of the page were run.
 */
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ROOT } from '../architecture/sources.js';
import { type CodeBlock, codeBlocks, readDocument } from '../docs/markdown.js';
import { CLI, type CliResult, followed, ownEnvironment } from '../helpers/cli.js';
import { sharedServer } from '../servers/index.js';

/** Where a text of the page is in the test, such as a host of the registry. */
export type Translation = (text: string) => string;

/** For a page whose ZooKeeper is the shared one, in a tree of the test's own, and whose service is on this port. */
export function inTree(root: string, port: number): Translation {
  return (text) =>
    text
      .replaceAll('zookeeper://zk1,zk2,zk3', `zookeeper://${sharedServer('zookeeper')}${root}`)
      .replaceAll('8080', `${port}`);
}

interface Block extends CodeBlock {
  readonly heading: string;
}

/** A command of the page that goes on. */
export interface Started {
  readonly output: () => string;
  /** SIGTERM; resolves with how it ended. */
  stop(): Promise<CliResult>;
}

export class Page {
  readonly #file: string;
  readonly #blocks: readonly Block[];
  readonly #used = new Set<Block>();
  readonly #folder: string;
  readonly #translate: Translation;
  readonly #started = new Set<Started>();
  #files = 0;

  private constructor(file: string, folder: string, translate: Translation) {
    this.#file = file;
    this.#blocks = blocksOf(file);
    this.#folder = folder;
    this.#translate = translate;
  }

  static async open(file: string, translate: Translation): Promise<Page> {
    const folder = await mkdtemp(join(tmpdir(), 'pilotfish-join-'));
    await mkdir(join(folder, 'bin'));
    await mkdir(join(folder, 'node_modules'));
    await symlink(ROOT, join(folder, 'node_modules', 'pilotfish'));
    const npx = `#!/bin/sh\n[ "$1" = pilotfish ] || exit 127\nshift\nexec '${process.execPath}' '${CLI}' "$@"\n`;
    await writeFile(join(folder, 'bin', 'npx'), npx);
    await chmod(join(folder, 'bin', 'npx'), 0o755);
    return new Page(file, folder, translate);
  }

  /** The commands below a heading, to their end; `edit` puts another format or option into them. */
  run(heading: string, edit: Translation = (text) => text): Promise<CliResult> {
    return this.#process('/bin/sh', ['-ec', edit(this.#text(heading, 'sh'))]).ended;
  }

  /** The program below a heading; resolves with what it printed, rejects when it failed. */
  async script(heading: string, edit: Translation = (text) => text): Promise<string> {
    const file = join(this.#folder, `script-${++this.#files}.mjs`);
    await writeFile(file, edit(this.#text(heading, 'js')));
    const { code, stdout, stderr } = await this.#process(process.execPath, [file]).ended;
    if (code !== 0)
      throw new Error(`the program at "${heading}" in ${this.#file} ended with ${code}\n${stderr}`);
    return stdout;
  }

  /** A sidecar that the command below a heading starts. Resolves when it runs; checks are quick. */
  async start(heading: string, edit: Translation = (text) => text): Promise<Started> {
    const { child, ended, stdout, until } = this.#process('/bin/sh', [
      '-ec',
      `exec ${edit(this.#text(heading, 'sh'))}`,
    ]);
    const started: Started = {
      output: stdout,
      stop: async () => {
        child.kill('SIGTERM');
        this.#started.delete(started);
        return ended;
      },
    };
    this.#started.add(started);
    await until((said) => said.includes('"message":"the sidecar runs"'));
    return started;
  }

  /** The configuration below a heading, as a file. */
  async configFile(heading: string, language: string): Promise<string> {
    const file = join(this.#folder, `config-${++this.#files}.${language}`);
    await writeFile(file, this.#text(heading, language));
    return file;
  }

  /** The blocks that no test has run. */
  unused(): readonly string[] {
    return this.#blocks.filter((block) => !this.#used.has(block)).map(({ place }) => place);
  }

  async close(): Promise<void> {
    for (const started of this.#started) await started.stop();
    await rm(this.#folder, { recursive: true });
  }

  #text(heading: string, language: string): string {
    const found = this.#blocks.filter((block) => block.heading === heading && block.language === language);
    const [block] = found;
    if (block === undefined || found.length > 1) {
      throw new Error(
        `expected one block of ${language}, got ${found.length}, at "${heading}" in ${this.#file}`,
      );
    }
    this.#used.add(block);
    return this.#translate(block.text);
  }

  #process(file: string, args: readonly string[]) {
    const child = spawn(file, args, {
      cwd: this.#folder,
      env: {
        ...ownEnvironment(),
        PATH: [join(this.#folder, 'bin'), process.env.PATH].join(delimiter),
        ...{ PILOTFISH_ADMIN: '127.0.0.1:0', PILOTFISH_ADDRESS: '127.0.0.1', PILOTFISH_DRAIN_WAIT: '0s' },
        ...{ PILOTFISH_INTERVAL: '100ms', PILOTFISH_TIMEOUT: '2s', NODE_NO_WARNINGS: '1' },
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return followed(child);
  }
}

/** Each with the nearest heading above it. */
function blocksOf(file: string): readonly Block[] {
  const lines = readDocument(file).split('\n');
  return codeBlocks(file).map((block) => {
    const above = lines.slice(0, Number(block.place.split(':')[1]) - 1).reverse();
    const heading = above.find((line) => /^#+ /.test(line)) ?? '';
    return { ...block, heading: heading.replace(/^#+ /, '') };
  });
}
