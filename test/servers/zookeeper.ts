/** ZooKeeper for tests: one small Java process, quick ticks, no wait for the disk. */
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { debianTree } from './debian.js';
import { type Environment, exists, findOnPath } from './environment.js';
import { findJava } from './java.js';
import type { Place, Program, ServerKind } from './kind.js';

const JARS = 'usr/share/java';

/** Debian's ZooKeeper names its libraries by absolute paths; in a tree of ours they are named here instead. */
const LIBRARIES: readonly string[] = [
  ...['zookeeper', 'zookeeper-jute', 'commons-cli', 'commons-io', 'findbugs-annotations', 'metrics-core'],
  ...['jackson-annotations', 'jackson-core', 'jackson-databind', 'slf4j-api', 'slf4j-simple', 'snappy-java'],
  ...['netty-buffer', 'netty-codec', 'netty-common', 'netty-handler', 'netty-resolver', 'netty-transport'],
  ...['netty-transport-native-epoll', 'netty-transport-native-unix-common', 'jctools-core'],
];

/** The packages that hold these libraries; the admin server with its web stack stays off. */
const PACKAGES: RegExp =
  /^lib(zookeeper|commons-(cli|io)|findbugs-annotations|dropwizard-metrics|jackson2-\w+|slf4j|snappy|netty|jctools)-java$/;

export const zookeeper: ServerKind = {
  name: 'zookeeper',
  program: 'zkServer.sh',
  image: 'zookeeper:3.8',
  morePorts: 2,
  installed,
  fromDebian,
  prepare,
  answers: async (address) => (await fourLetterWord(address, 'srvr')).includes('Mode:'),
};

/** Asks a server one of its four letter words, for example `ruok`, `srvr`, `mntr`, `cons`. */
export function fourLetterWord(address: string, word: string, timeoutMs = 2_000): Promise<string> {
  const [host = '', port] = address.split(':');
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port), timeout: timeoutMs });
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      answer += chunk;
    });
    socket.once('connect', () => socket.write(word));
    socket.once('timeout', () => socket.destroy(new Error(`no answer to ${word} from ${address}`)));
    socket.once('error', reject);
    socket.once('close', () => resolve(answer));
  });
}

async function installed(env: Environment): Promise<Program | undefined> {
  const script = await findOnPath('zkServer.sh', env);
  if (script) return { file: script };
  const java = await findOnPath('java', env);
  return java && (await exists(`/${JARS}/zookeeper.jar`))
    ? { file: java, classPath: classPath('/') }
    : undefined;
}

async function fromDebian(env: Environment): Promise<Program> {
  const wanted = { name: 'zookeeper', roots: ['libzookeeper-java'], keep: PACKAGES };
  const [java, tree] = await Promise.all([findJava(env), debianTree(wanted, env)]);
  return { file: java, classPath: classPath(tree) };
}

function classPath(root: string): string {
  return LIBRARIES.map((name) => join(root, JARS, `${name}.jar`)).join(':');
}

async function prepare(program: Program, place: Place): ReturnType<ServerKind['prepare']> {
  const config = join(place.folder, 'zoo.cfg');
  await writeFile(config, `${settings(place).join('\n')}\n`);
  if (place.ensemble) await writeFile(join(place.dataDir, 'myid'), String(place.ensemble.id));
  const options = [
    '-Xmx128m',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    ...(place.options.args ?? []),
  ];
  if (program.classPath === undefined) return viaScript(program, config, options, place);
  const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
  return { file: program.file, args: [...options, '-cp', program.classPath, main, config], env: {} };
}

function viaScript(program: Program, config: string, options: readonly string[], { folder }: Place) {
  const env = {
    JVMFLAGS: options.join(' '),
    JMXDISABLE: 'true',
    ZK_SERVER_HEAP: '128',
    ZOO_LOG_DIR: folder,
    ZOOPIDFILE: `${folder}/pid`,
  };
  return { file: program.file, args: ['start-foreground', config], env };
}

function settings({ host, ports, dataDir, options, ensemble }: Place): readonly string[] {
  const tickTimeMs = options.tickTimeMs ?? 500;
  return [
    `dataDir=${dataDir}`,
    `clientPort=${ports[0]}`,
    `clientPortAddress=${host}`,
    `tickTime=${tickTimeMs}`,
    `maxSessionTimeout=${80 * tickTimeMs}`,
    'initLimit=20',
    'syncLimit=10',
    'maxClientCnxns=0',
    'admin.enableServer=false',
    '4lw.commands.whitelist=*',
    'extendedTypesEnabled=true',
    'forceSync=no',
    'preAllocSize=1024',
    ...(ensemble?.members ?? []),
    ...(options.config ?? []),
  ];
}
