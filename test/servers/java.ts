/** Java for what is written in it: the machine's own, else the one from Debian's packages. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { debianTree } from './debian.js';
import { type Environment, findOnPath, isExecutable, run } from './environment.js';

export async function findJava(env: Environment): Promise<string> {
  return (await installedJava(env)) ?? javaFromDebian(env);
}

/**
 * Compiles into the folder `out` and resolves with the `java` to run that with. The compiler is a module of Java's own, which
 * Debian's smallest package has too; some others leave it out.
 */
export async function compileJava(
  files: readonly string[],
  { classPath, out }: { readonly classPath: string; readonly out: string },
  env: Environment,
): Promise<string> {
  const own = await installedJava(env);
  const java = own !== undefined && (await hasCompiler(own, env)) ? own : await javaFromDebian(env);
  const compiler = ['-m', 'jdk.compiler/com.sun.tools.javac.Main', '-nowarn', '-cp', classPath, '-d', out];
  await run(java, [...QUICK, ...compiler, ...files], { env });
  return java;
}

/** For programs that are over soon. */
export const QUICK = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto'];

async function installedJava(env: Environment): Promise<string | undefined> {
  const home = env.JAVA_HOME && join(env.JAVA_HOME, 'bin', 'java');
  if (home && (await isExecutable(home))) return home;
  return findOnPath('java', env);
}

async function hasCompiler(java: string, env: Environment): Promise<boolean> {
  return (await run(java, ['--list-modules'], { env })).includes('jdk.compiler@');
}

/** The package alone: its libraries for pictures, fonts and sound are not touched by a server. */
async function javaFromDebian(env: Environment): Promise<string> {
  const keep = /^openjdk-\d+-jre-headless$/;
  const tree = await debianTree({ name: 'java', roots: ['default-jre-headless'], keep }, env);
  const homes = await readdir(join(tree, 'usr/lib/jvm'));
  for (const home of homes) {
    const java = join(tree, 'usr/lib/jvm', home, 'bin/java');
    if (await isExecutable(java)) return java;
  }
  throw new Error('no java in the package openjdk-*-jre-headless');
}
