/**
 * Decides how a server is had on this machine: installed, else Docker, else Debian's packages. A test run
 * without one of the servers is a failed run, never a shorter one, so the last resort is one clear line.
 */
import { dockerProgram } from './docker.js';
import type { Environment } from './environment.js';
import type { Program, ServerKind, ServerName } from './kind.js';

export async function findProgram(kind: ServerKind, env: Environment): Promise<Program> {
  const found = (await kind.installed(env)) ?? (await dockerProgram(kind, env));
  if (found) return found;
  try {
    return await kind.fromDebian(env);
  } catch (error) {
    throw new MissingServerError(kind, error);
  }
}

/** The variable that names a server which runs already, as `host:port`. */
export function addressVariable(name: ServerName): string {
  return `PILOTFISH_TEST_${name.toUpperCase()}`;
}

export class MissingServerError extends Error {
  constructor(kind: ServerKind, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(
      `cannot test without ${kind.name}: ${kind.program} is not installed, no Docker engine answers, ` +
        `Debian packages: ${reason}. Set ${addressVariable(kind.name)}=host:port, put ${kind.program} on PATH, ` +
        'start Docker, or let apt-get reach a Debian mirror.',
      { cause },
    );
    this.name = 'MissingServerError';
  }
}
