/** `pilotfish resolve`: one pick, as a caller that imports the resolver would get it. */

import { connect } from '../../resolver/index.js';
import { formatHostPort } from '../../runtime/host-port.js';
import { parseArguments } from '../arguments.js';
import { type Command, OK } from '../command.js';
import {
  JSON_FLAG,
  REGISTRY_FLAG,
  REGISTRY_HELP,
  registryUrls,
  serviceName,
  TIMEOUT_FLAG,
  timeoutMs,
} from '../registry-options.js';

export const command: Command = {
  help: `Pick one endpoint of a service and print it as host:port.

Usage: pilotfish resolve <service> [options]

${REGISTRY_HELP}; several times for several
  --timeout D     give up after this long (default 5s)
  --json          one JSON document

Examples:
  pilotfish resolve orders
  curl "http://$(pilotfish resolve orders)/health"

Exit code 1 when the service has no endpoint or the registry does not answer.
`,
  run: async (args, { env, stdout, stop }) => {
    const options = { ...REGISTRY_FLAG, ...TIMEOUT_FLAG, ...JSON_FLAG };
    const { flags, positionals } = parseArguments(args, options, ['service']);
    const service = serviceName(positionals[0]);
    const limits = { timeoutMs: timeoutMs(flags), minEndpoints: 0, signal: stop };
    const discovery = await connect(registryUrls(flags, env));
    try {
      const handle = discovery.service(service);
      await handle.ready(limits);
      const { endpoint } = handle.pick();
      if (flags.json === true) stdout.json({ service, ...endpoint });
      else stdout.line(formatHostPort(endpoint));
      return OK;
    } finally {
      await discovery.close();
    }
  },
};
