/**
 * The same servers in containers, where an engine answers. The container sees the server's folder under the
 * same path and the client port under the same number, so nothing else has to know.
 */
import type { Command } from './child.js';
import { type Environment, findOnPath, run } from './environment.js';
import type { Place, Program, ServerKind } from './kind.js';

/** Undefined when there is no client, or no engine behind it that answers soon. */
export async function dockerProgram(kind: ServerKind, env: Environment): Promise<Program | undefined> {
  const client = await findOnPath('docker', env);
  const engine = client && (await run('docker', ['info'], { env, timeoutMs: 3_000 }).catch(() => undefined));
  return client && engine ? { file: kind.program, docker: { client, image: kind.image } } : undefined;
}

export function inContainer(
  command: Pick<Command, 'file' | 'args' | 'env'>,
  program: Program,
  place: Place,
): Command {
  if (!program.docker) return command;
  const { client, image } = program.docker;
  const port = place.ports[0];
  const name = `pilotfish-test-${process.pid}-${port}`;
  const user = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
  const env = Object.entries(command.env).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
  const flags = ['--rm', '--name', name, '--user', user, '-v', `${place.folder}:${place.folder}`];
  const publish = ['-p', `127.0.0.1:${port}:${port}`, '--entrypoint', command.file];
  return {
    file: client,
    args: ['run', ...flags, ...env, ...publish, image, ...command.args],
    env: process.env,
    container: { docker: client, name },
  };
}
