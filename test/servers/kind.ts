/** What the helper has to know about one sort of server; `zookeeper.ts`, `consul.ts` and `etcd.ts` say it. */
import type { Command } from './child.js';
import type { Environment } from './environment.js';

export type ServerName = 'zookeeper' | 'consul' | 'etcd';

/** How a server can be run on this machine. */
export interface Program {
  readonly file: string;
  /** For Java run directly; absent when `file` is the server's own program. */
  readonly classPath?: string;
  /** Present when `file` is meant inside a container of this image. */
  readonly docker?: { readonly client: string; readonly image: string };
}

export interface StartOptions {
  /** ZooKeeper's heartbeat; session timeouts may lie between 2 and 80 of them. Default 500. */
  readonly tickTimeMs?: number;
  /** Further lines of `zoo.cfg`; the last word on a setting wins. ZooKeeper only. */
  readonly config?: readonly string[];
  /** Further arguments: flags of Consul and etcd, options of ZooKeeper's Java. */
  readonly args?: readonly string[];
  /** Further environment variables of the process. */
  readonly env?: Environment;
}

/** One server's place: decided once, kept over restarts. */
export interface Place {
  readonly host: string;
  /** The client port first. */
  readonly ports: readonly [number, ...number[]];
  /** Holds configuration and log; `dataDir` is inside it. */
  readonly folder: string;
  readonly dataDir: string;
  readonly options: StartOptions;
  /** ZooKeeper's `server.N=` lines and which N this one is; absent when it stands alone. */
  readonly ensemble?: { readonly id: number; readonly members: readonly string[] };
}

export interface ServerKind {
  readonly name: ServerName;
  /** The program's name, as on PATH and inside the image. */
  readonly program: string;
  readonly image: string;
  /** How many ports beside the client port. */
  readonly morePorts: number;
  /** A program that is installed, or undefined. */
  installed(env: Environment): Promise<Program | undefined>;
  /** A program from Debian's packages; rejects with the reason when that cannot be. */
  fromDebian(env: Environment): Promise<Program>;
  /** Writes what the server reads at its start and says how to run it. */
  prepare(program: Program, place: Place): Promise<Pick<Command, 'file' | 'args' | 'env'>>;
  /** True when the server really serves, not merely listens; may reject, which means not yet. */
  answers(address: string): Promise<boolean>;
}
