/** A command about one service as a caller sees it: from the arguments to a handle that has its list, and the end of it. */
import { connect, type ServiceHandle } from '../resolver/index.js';
import { parseArguments } from './arguments.js';
import type { Surroundings } from './command.js';
import {
  JSON_FLAG,
  REGISTRY_FLAG,
  registryUrls,
  serviceName,
  TIMEOUT_FLAG,
  timeoutMs,
} from './registry-options.js';

/** Arguments are `<service>` with `--registry`, `--timeout` and `--json`. Rejects as `ServiceHandle.ready` does. */
export async function withHandle<T>(
  args: readonly string[],
  { env, stop }: Surroundings,
  work: (handle: ServiceHandle, asJson: boolean) => T,
): Promise<T> {
  const options = { ...REGISTRY_FLAG, ...TIMEOUT_FLAG, ...JSON_FLAG };
  const { flags, positionals } = parseArguments(args, options, ['service']);
  const service = serviceName(positionals[0]);
  const limits = { timeoutMs: timeoutMs(flags), minEndpoints: 0, signal: stop };
  const discovery = await connect(registryUrls(flags, env));
  try {
    const handle = discovery.service(service);
    await handle.ready(limits);
    return work(handle, flags.json === true);
  } finally {
    await discovery.close();
  }
}
