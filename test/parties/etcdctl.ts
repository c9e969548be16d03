/** etcd's own command line, in the place of software that registers itself in etcd or reads there. */
import { run } from '../servers/environment.js';
import { findParty, type Program, program } from '../servers/party.js';

export class Etcdctl {
  readonly #program: Program;
  readonly #address: string;
  readonly #leases: string[] = [];

  private constructor(program: Program, address: string) {
    this.#program = program;
    this.#address = address;
  }

  static async for(address: string): Promise<Etcdctl> {
    return new Etcdctl(await findParty(program('etcdctl', 'etcd-client')), address);
  }

  /** A key on a lease of its own, as registrars have it. */
  async register(key: string, value: string): Promise<void> {
    const [, lease] = /^lease (\w+) granted/.exec(await this.#run('lease', 'grant', '60')) ?? [];
    if (lease === undefined) throw new Error('expected a lease, got none');
    this.#leases.push(lease);
    await this.#run('put', `--lease=${lease}`, key, value);
  }

  /** Ends all leases, and with them what was registered. */
  async leave(): Promise<void> {
    for (const lease of this.#leases.splice(0)) await this.#run('lease', 'revoke', lease);
  }

  /** Keys and values that begin with a text. */
  async below(prefix: string): Promise<Readonly<Record<string, string>>> {
    const lines = (await this.#run('get', '--prefix', prefix)).split('\n');
    const pairs: [string, string][] = [];
    for (let i = 0; i + 1 < lines.length; i += 2) pairs.push([lines[i] as string, lines[i + 1] as string]);
    return Object.fromEntries(pairs);
  }

  #run(...args: readonly string[]): Promise<string> {
    const { file, env: own } = this.#program;
    const env = { ...own, PATH: process.env.PATH, ETCDCTL_API: '3' };
    return run(file, [`--endpoints=${this.#address}`, ...args], { env });
  }
}
