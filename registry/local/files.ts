/**
 * The directory that is the registry. A lease is one file per process, renewed by atomic replacement; an entry is one
 * file that names its lease: `services/<service>/<id>@<lease>.json`. Because the owner is part of the name, taking an
 * id over is "write mine, then remove theirs" and never shows a gap, and nobody can delete another's entry by mistake.
 */
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PilotfishError } from '../../runtime/errors.js';
import type { HostTime } from './host-time.js';

/** What a lease file holds. Times are `HostTime` milliseconds. */
export interface LeaseRecord {
  readonly boot: string;
  readonly expiresAt: number;
  readonly ttlMs: number;
}

/** The name of an entry file, taken apart. */
export interface EntryName {
  readonly file: string;
  readonly id: string;
  readonly lease: string;
}

const ENTRY = /^(.+)@([0-9a-f]{32})\.json$/;

export class LocalFiles {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  get leasesDir(): string {
    return join(this.#root, 'leases');
  }

  get servicesDir(): string {
    return join(this.#root, 'services');
  }

  serviceDir(service: string): string {
    return join(this.servicesDir, service);
  }

  /** Creates the root for this user alone, and refuses one that somebody else prepared. */
  async prepare(): Promise<void> {
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    const found = await lstat(this.#root);
    if (found.uid !== (process.getuid?.() ?? found.uid)) {
      throw new PilotfishError('DENIED', `${this.#root} belongs to another user (uid ${found.uid})`);
    }
    await mkdir(this.leasesDir, { recursive: true, mode: 0o700 });
    await mkdir(this.servicesDir, { recursive: true, mode: 0o700 });
  }

  /** Prepares everything anew first: whoever cleans up temporary files may have taken the directory away. */
  async writeLease(lease: string, record: LeaseRecord): Promise<void> {
    await this.prepare();
    await this.#replace(this.leasesDir, `${lease}.json`, JSON.stringify(record));
  }

  async removeLease(lease: string): Promise<void> {
    await rm(join(this.leasesDir, `${lease}.json`), { force: true });
  }

  /** Undefined when there is none, or none that can be read. */
  async readLease(lease: string): Promise<LeaseRecord | undefined> {
    return parseLease(await readOrNothing(join(this.leasesDir, `${lease}.json`)));
  }

  async leases(): Promise<readonly string[]> {
    const names = await listOrNothing(this.leasesDir);
    return names.filter((name) => /^[0-9a-f]{32}\.json$/.test(name)).map((name) => name.slice(0, 32));
  }

  async writeEntry(service: string, id: string, lease: string, data: Uint8Array): Promise<void> {
    await this.prepare();
    await mkdir(this.serviceDir(service), { recursive: true, mode: 0o700 });
    await this.#replace(this.serviceDir(service), entryFile(id, lease), data);
  }

  async removeEntry(service: string, file: string): Promise<void> {
    await rm(join(this.serviceDir(service), file), { force: true });
  }

  /** Undefined when there is none. */
  readEntry(service: string, file: string): Promise<Buffer | undefined> {
    return readOrNothing(join(this.serviceDir(service), file));
  }

  /** Changes whenever the file is replaced; undefined when there is none. */
  async entryStamp(service: string, file: string): Promise<string | undefined> {
    const found = await orNothing(stat(join(this.serviceDir(service), file), { bigint: true }));
    return found === undefined ? undefined : `${found.mtimeNs}:${found.ino}`;
  }

  /** Every entry of the service, and the names in its directory that are none. */
  async entries(service: string): Promise<{ entries: readonly EntryName[]; strangers: readonly string[] }> {
    const entries: EntryName[] = [];
    const strangers: string[] = [];
    for (const file of await listOrNothing(this.serviceDir(service))) {
      const [, id, lease] = ENTRY.exec(file) ?? [];
      if (id !== undefined && lease !== undefined) entries.push({ file, id, lease });
      else if (!file.startsWith('.')) strangers.push(file);
    }
    return { entries, strangers };
  }

  /** Directories outlive what was in them, and an empty one is no service. */
  async services(): Promise<readonly string[]> {
    const services: string[] = [];
    for (const service of await listOrNothing(this.servicesDir)) {
      if ((await this.entries(service)).entries.length > 0) services.push(service);
    }
    return services;
  }

  /** Readers see the old content or the new one, never half of it. Hidden names are unfinished writes. */
  async #replace(dir: string, name: string, data: string | Uint8Array): Promise<void> {
    const unfinished = join(dir, `.${randomUUID()}`);
    await writeFile(unfinished, data, { mode: 0o600 });
    await rename(unfinished, join(dir, name));
  }
}

export function entryFile(id: string, lease: string): string {
  return `${id}@${lease}.json`;
}

/** A lease further ahead than its own TTL was written before the host's clock started anew. */
export function isAlive(record: LeaseRecord | undefined, time: HostTime): record is LeaseRecord {
  if (record === undefined || record.boot !== time.boot) return false;
  const left = record.expiresAt - time.now();
  return left > 0 && left <= record.ttlMs;
}

function parseLease(data: Buffer | undefined): LeaseRecord | undefined {
  try {
    const { boot, expiresAt, ttlMs } = JSON.parse(data?.toString('utf8') ?? '') as Record<string, unknown>;
    if (typeof boot !== 'string' || typeof expiresAt !== 'number' || typeof ttlMs !== 'number')
      return undefined;
    return { boot, expiresAt, ttlMs };
  } catch {
    return undefined;
  }
}

const readOrNothing = (path: string): Promise<Buffer | undefined> => orNothing(readFile(path));

const listOrNothing = async (path: string): Promise<string[]> => (await orNothing(readdir(path))) ?? [];

async function orNothing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
