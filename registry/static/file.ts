/** Reads an endpoints file, and only when it is another than before: editors, `mv` and symlinks all change the stamp. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { PilotfishError } from '../../runtime/errors.js';
import { broken, type Document, isYaml, parseDocument } from './document.js';

// Parsing stops the event loop, and YAML takes some twenty times as long as JSON.
const MAX_JSON_BYTES = 16 * 1024 * 1024;
const MAX_YAML_BYTES = 1024 * 1024;

export interface Contents {
  /** Another one for other contents, going up. */
  readonly revision: number;
  readonly document: Document;
}

export class EndpointsFile {
  readonly path: string;
  #stamp: string | undefined;
  #contents: Contents | undefined;
  #revision = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** The contents of now; the same object while the file is the same. Rejects UNAVAILABLE or DENIED. */
  async read(): Promise<Contents> {
    try {
      if (this.#contents !== undefined && stampOf(await stat(this.path, { bigint: true })) === this.#stamp) {
        return this.#contents;
      }
      return await this.#readAnew();
    } catch (error) {
      throw failure(error, this.path);
    }
  }

  async #readAnew(): Promise<Contents> {
    const handle = await open(this.path, 'r');
    try {
      const found = await handle.stat({ bigint: true });
      if (!found.isFile()) throw broken('a file', 'something else', this.path);
      const document = await parseDocument(await readText(handle, this.path), this.path);
      // The stamp from before the reading: what changes meanwhile is read again.
      this.#stamp = stampOf(found);
      this.#contents = { revision: ++this.#revision, document };
      return this.#contents;
    } finally {
      await handle.close();
    }
  }
}

interface Stats {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: Stats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

async function readText(handle: FileHandle, path: string): Promise<string> {
  const limit = isYaml(path) ? MAX_YAML_BYTES : MAX_JSON_BYTES;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of handle.createReadStream({ autoClose: false, end: limit })) {
    chunks.push(chunk);
    bytes += chunk.length;
  }
  if (bytes > limit) throw broken(`at most ${limit} bytes`, 'more', path);
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/^\ufeff/, '');
}

function failure(error: unknown, path: string): PilotfishError {
  if (error instanceof PilotfishError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? 'an error';
  const denied = code === 'EACCES' || code === 'EPERM';
  return new PilotfishError(
    denied ? 'DENIED' : 'UNAVAILABLE',
    `expected a file that can be read, got ${code}, at ${path}`,
    { cause: error },
  );
}
