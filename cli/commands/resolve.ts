/** `pilotfish resolve`: one pick, as a caller that imports the resolver would get it. */

import { formatHostPort } from '../../runtime/host-port.js';
import { type Command, OK } from '../command.js';
import { REGISTRY_HELP } from '../registry-options.js';
import { withHandle } from '../with-handle.js';

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
  run: (args, surroundings) =>
    withHandle(args, surroundings, (handle, asJson) => {
      const { stdout } = surroundings;
      const { endpoint } = handle.pick();
      if (asJson) stdout.json({ service: handle.service, ...endpoint });
      else stdout.line(formatHostPort(endpoint));
      return OK;
    }),
};
