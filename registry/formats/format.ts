/**
 * What a wire format is: how one instance is written as an entry of a registry, and read back. A format knows nothing of
 * connections; a backend lays its entries out as the format's facts say. Formats of other software are read leniently,
 * since their entries are what they are, and written strictly, since their readers may be old.
 */
import type { Result } from '../../runtime/result.js';
import type { Instance } from '../contract.js';

/** One entry below a service's folder. `data` is undefined where it was not read, or where there is none. */
export interface Entry {
  readonly name: string;
  readonly data: Uint8Array | undefined;
}

/** An entry to write. For a sequential format the registry appends the number to `name`. */
export interface WrittenEntry {
  readonly name: string;
  readonly data: Uint8Array;
}

/** An instance with the entry that it came from. */
export interface Member {
  readonly name: string;
  readonly instance: Instance;
}

/** Entries beside the instances that say something about them, such as the weights of a serverset. */
export interface Companions {
  /** True for the name of such an entry, which is then no instance and is never rejected. */
  owns(name: string): boolean;
  /** The instance as all the companions together say it is; the same object when they say nothing. Never throws. */
  adjust(member: Member, companions: readonly Entry[]): Instance;
}

export interface Format {
  /** As it is written in `?format=`. */
  readonly name: string;
  /** Where the entries of a service are, below the chroot or prefix; no slash at either end. */
  readonly folder: (service: string) => string;
  /** The services there can be, for a format whose folder is the same for any; undefined: each folder is one. */
  readonly services?: readonly string[];
  /** False when names say it all, and no reader has to read the data. */
  readonly needsData: boolean;
  /** True when an entry's name is the instance's id, so that two entries cannot have one id. */
  readonly nameIsId: boolean;
  /**
   * True when the registry appends a number to the names that are written. Such an entry is never changed, as readers
   * read it once: an update is a new entry, and the older one goes. Of several with one id the newest is the instance.
   */
  readonly isSequential: boolean;
  /**
   * The entry for an instance, written at a wall-clock time in ms. Absent for a format that is only read. Throws BAD_INPUT
   * for an instance that is larger than readers take.
   */
  readonly encode?: (instance: Instance, writtenAtMs: number) => WrittenEntry;
  /**
   * True for an instance that must have no entry, because readers of the format would send it traffic that it is not to
   * get: one that drains, is in maintenance or weighs nothing, where there is no field for it that they heed. Absent:
   * never.
   */
  readonly hides?: (instance: Instance) => boolean;
  /**
   * True for an entry of another instance, which must not be taken over although it has the name that ours would have.
   * Absent: entries of one name are of one instance.
   */
  readonly isAnothers?: (found: Entry, instance: Instance) => boolean;
  /** The instance of this service in an entry, or why it is none: *expected X, got Y, at path*. Never throws. */
  readonly decode: (entry: Entry, service: string) => Result<Instance, string>;
  readonly companions?: Companions;
}

/** What the URL and its registry say about the entries. */
export interface FormatOptions {
  /** How an entry is named where readers take any name: after the address, which is the default, or after the id. */
  readonly entryName?: 'address' | 'id' | undefined;
  /** Of the endpoints, for a format that holds URLs. */
  readonly scheme?: string | undefined;
  /** The formats that the registry has a use for; `auto` reads no other. */
  readonly known?: readonly string[];
}
