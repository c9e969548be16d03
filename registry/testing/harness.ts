/** What the contract suite needs to know of a backend in order to prove it on a real server. */
import type { Instance, Registry, RegistryReader, Snapshot } from '../contract.js';
import { type InstanceInput, parseInstance } from '../instance.js';

/** For any registry, read only ones included. */
export interface ReaderHarness {
  /** A new connection to the same data. The suite closes it. */
  open(): Promise<RegistryReader>;
  /** Makes `instances` the complete list of `service`. */
  publish(service: string, instances: readonly Instance[]): Promise<void>;
  /** Writes an entry called `name` into `service` that is no valid instance. */
  poison(service: string, name: string): Promise<void>;
  /** Overwrites the entry of a published instance with what is no valid instance; whose it is stays as it was. */
  spoil(instance: Instance): Promise<void>;
}

/** For a registry that can be written. */
export interface RegistryHarness extends Omit<ReaderHarness, 'publish'> {
  open(): Promise<Registry>;
  /** How long the entry of a killed owner may stay listed, in ms, with the slack of the server's own ticks. */
  readonly ttlMs: number;
  /** Registers `instance` from another process, which lives until it is killed. */
  startOwner(instance: Instance): Promise<{ kill(): Promise<void> }>;
  /** Deletes the entry behind its owner's back. */
  remove(instance: Instance): Promise<void>;
  /** Stops the server abruptly and starts it again with its data. Resolves when it answers. */
  restart(): Promise<void>;
}

/** One statement of the contract. Fails by throwing. */
export interface ContractCase<H> {
  readonly name: string;
  run(harness: H): Promise<void>;
}

let services = 0;

/** A service name that no other case uses. */
export function freshService(prefix = 'contract'): string {
  return `${prefix}-${process.pid}-${++services}`;
}

/** An instance for tests; throws when the fields are not valid. */
export function instanceOf(fields: Partial<InstanceInput> & { service: string }): Instance {
  const parsed = parseInstance({ id: 'a', host: '127.0.0.1', port: 8080, ...fields });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value;
}

export function idsOf(snapshot: Snapshot | undefined): readonly string[] {
  return snapshot?.instances.map(({ id }) => id) ?? [];
}
