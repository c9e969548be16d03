/**
 * ZooKeeper as a registry: an ephemeral node per instance, `<chroot>/<service>/<id>` in pilotfish's own format, or where
 * another format has it. A format that is only read makes a registry that is only read.
 * `zookeeper://a:2181,b:2181/chroot?sessionTimeout=10s&format=curator`
 */
import type { RegistryReader } from '../contract.js';
import { loadFormat } from '../formats/index.js';
import type { Backend, BackendContext } from '../open.js';
import type { ZkConnect } from './driver.js';
import { zkPaths } from './paths.js';
import { type ZooKeeperOptions, ZooKeeperReader } from './reader.js';
import { parseZkUrl } from './settings.js';
import { acquireSession } from './shared-session.js';
import { connectWire } from './wire/client.js';
import { ZooKeeperRegistry } from './writer.js';

export const backend: Backend = { check: parseZkUrl, open: openZooKeeper };

async function openZooKeeper(url: string, context: BackendContext): Promise<RegistryReader> {
  const settings = parseZkUrl(url);
  const { timeoutMs, chroot, open, insecure } = settings;
  const format = await loadFormat(settings.format, settings.formatOptions);
  const connect = settings.driver === 'native' ? await loadNative() : connectWire;
  if (insecure) context.logger.warn({ url }, 'the password goes to zookeeper in clear, as the URL allows');
  const options: ZooKeeperOptions = {
    ...context,
    ...acquireSession({ ...settings, connect, ...context }),
    url,
    format,
    paths: zkPaths(chroot, format),
    timeoutMs,
    open,
  };
  return format.encode === undefined
    ? new ZooKeeperReader(options)
    : new ZooKeeperRegistry(options, format.encode);
}

async function loadNative(): Promise<ZkConnect> {
  const { loadNativeDriver } = await import('./native-driver.js');
  return loadNativeDriver();
}
