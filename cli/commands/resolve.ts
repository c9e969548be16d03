/** `pilotfish resolve`: one pick, as a caller that imports the resolver would get it. */
import { isPilotfishError } from '../../runtime/errors.js';
import { formatHostPort } from '../../runtime/host-port.js';
import { connect } from '../../resolver/index.js';
import { parseArguments } from '../arguments.js';
import { type Command, FAILED, OK } from '../command.js';
import {
  JSON_FLAG,
  REGISTRY_FLAG,
  REGISTRY_HELP,
  registryUrls,
  serviceName,
  TIMEOUT_FLAG,
  timeoutMs,
} from '../registry-options.js';

export const resolveCommand: Command = {
  name: 'resolve',
  summary: 'pick one endpoint of a service',
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
  run: async (args, { env, stdout }) => {
    return OK;
  },
};
