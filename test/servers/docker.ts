/**
 * The same servers in containers, where an engine answers. The container sees the server's folder under the
 * same path and the client port under the same number, so nothing else has to know.
 */
import type { Command } from './child.js';
import { type Environment, findOnPath, run } from './environment.js';
import type { Place, Program, ServerKind } from './kind.js';

/** Undefined when there is no client, no engine behind it that answers soon, or the image cannot be had. */
export async function dockerProgram(kind: ServerKind, env: Environment): Promise<Program | undefined> {
  const client = await findOnPath('docker', env);
  if (client === undefined || !(await succeeds(['info'], env, 3_000))) return undefined;
  if (!(await hasImage(kind.image, env))) return undefined;
  return { file: kind.program, docker: { client, image: kind.image } };
}

/** Pulled here and not by `docker run`, so that the time to start is not the time to download. */
async function hasImage(image: string, env: Environment): Promise<boolean> {
  if (await succeeds(['image', 'inspect', image], env, 10_000)) return true;
  process.stderr.write(`getting the image ${image} …\n`);
  return succeeds(['pull', '--quiet', image], env, 300_000);
}

function succeeds(args: readonly string[], env: Environment, timeoutMs: number): Promise<boolean> {
  return run('docker', args, { env, timeoutMs }).then(
    () => true,
    () => false,
  );
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
  // Members of an ensemble reach each other on the machine's own loopback.
  const network = place.ensemble ? ['--network', 'host'] : ['-p', `127.0.0.1:${port}:${port}`];
  return {
    file: client,
    args: ['run', ...flags, ...env, ...network, '--entrypoint', command.file, image, ...command.args],
    env: process.env,
    container: { docker: client, name },
  };
}
