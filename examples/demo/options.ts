/** The command line of the demo. */
import { parseArgs } from 'node:util';

export interface DemoOptions {
  /** Where the sidecars register and the caller looks. */
  readonly registry: string;
  /** Run the scenario without a person, print one summary and exit. */
  readonly once: boolean;
  readonly help: boolean;
}

export const HELP = `The main job of pilotfish, live: three toy services, a sidecar beside each, and a caller that sends 200 requests a
second through the resolver. One service is killed, leaves the list, is started again, and returns.

Usage: npm start -- [--once] [--registry URL]

  --registry URL  local: (default), zookeeper://host:port/path, consul://host:port, etcd://host:port
  --once          run it unattended in under 30 s, print a summary, and exit 0 only if everything was seen and no
                  request failed
`;

/** Throws a TypeError that says what is wrong. */
export function readOptions(args: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      registry: { type: 'string' },
      once: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  return { registry: values.registry ?? 'local:', once: values.once ?? false, help: values.help ?? false };
}
