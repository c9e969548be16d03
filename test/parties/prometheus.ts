/** Prometheus with a configuration, and its `promtool`. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../end-to-end/world.js';
import { spawnChild } from '../servers/child.js';
import { run } from '../servers/environment.js';
import { findParty, type Program, program } from '../servers/party.js';
import { freePorts } from '../servers/ports.js';

/** As the API shows it, of what is scraped now. */
export interface Target {
  /** The name of the job. */
  readonly scrapePool: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly discoveredLabels: Readonly<Record<string, string>>;
  readonly health: 'up' | 'down' | 'unknown';
  readonly lastError: string;
}

const find = (name: string): Promise<Program> => findParty(program(name, 'prometheus'));

/** Rejects with what `promtool` finds wrong with a configuration. */
export async function checkPrometheusConfig(file: string): Promise<void> {
  await run((await find('promtool')).file, ['check', 'config', file], { env: process.env });
}

export class Prometheus {
  readonly #url: string;
  readonly #stop: () => Promise<void>;

  private constructor(url: string, stop: () => Promise<void>) {
    this.#url = url;
    this.#stop = stop;
  }

  /** Resolves when it has taken the configuration; rejects with what it says when it does not. */
  static async start(configFile: string): Promise<Prometheus> {
    const { file, env } = await find('prometheus');
    const folder = await mkdtemp(join(tmpdir(), 'pilotfish-prometheus-'));
    const [port] = await freePorts(0);
    const flags = [`--config.file=${configFile}`, `--storage.tsdb.path=${join(folder, 'data')}`];
    const args = [...flags, `--web.listen-address=127.0.0.1:${port}`, '--log.level=warn'];
    const child = await spawnChild({ file, args, env }, join(folder, 'log'));
    const url = `http://127.0.0.1:${port}`;
    const stop = async (): Promise<void> => {
      child.signal('SIGTERM');
      await child.ended;
      await rm(folder, { recursive: true });
    };
    await eventually('Prometheus is ready', async () => {
      if (!child.running) throw new Error(await readFile(join(folder, 'log'), 'utf8'));
      return (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true;
    });
    return new Prometheus(url, stop);
  }

  async targets(): Promise<readonly Target[]> {
    const answer = await fetch(`${this.#url}/api/v1/targets?state=active`);
    const { data } = (await answer.json()) as {
      readonly data: { readonly activeTargets: readonly Target[] };
    };
    return data.activeTargets;
  }

  stop(): Promise<void> {
    return this.#stop();
  }
}
