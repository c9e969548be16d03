/**
 * The configuration file in the form people write it: the one place that knows every key, its limits and what an
 * editor says about it. The defaults are in `normalize.ts`, because a service inherits most of them.
 */
import { z } from 'zod';
import {
  isWeight,
  MAX_METADATA_KEYS,
  MAX_NAME_LENGTH,
  MAX_TAGS,
  MAX_WEIGHT,
} from '../../registry/instance.js';
import { REGISTRY_SCHEMES } from '../../registry/open.js';
import { schemeOf } from '../../registry/url.js';
import { isHost, parseHostPort } from '../../runtime/host-port.js';
import { parseListenAddress } from '../../runtime/listen-address.js';
import { ADDRESS_RULE, parseAddressChoice } from '../address.js';
import { LOG_LEVELS } from './config.js';
import { isPayload, PAYLOAD_RULE } from './payload.js';
import { expandProbeText, ruleForProbeText } from './probe-text.js';
import { duration, either, flag, list, matching, name, number, object, oneOf, text, whole } from './rules.js';
import { parseStatusRange, STATUS_RULE } from './status-range.js';

const HOUR_MS = 3_600_000;

/** The registries a sidecar can write to. */
const SCHEMES = REGISTRY_SCHEMES.filter((scheme) => scheme !== 'static');

const registryUrl = matching(
  `a registry URL without user and password, hosts as host:port, that starts with ${SCHEMES.map((s) => `${s}:`).join(', ')}`,
  (url) => SCHEMES.includes(schemeOf(url) ?? '') && hasRightHosts(url),
);

/** The parameters are left to the backend, which alone knows them. */
function hasRightHosts(url: string): boolean {
  const [, hosts] = /^[^:]*:\/\/([^/?]*)/.exec(url) ?? [];
  return hosts === undefined || hosts.split(',').every((host) => parseHostPort(host, 1) !== undefined);
}

const adminAddress = matching(
  'host:port, such as "127.0.0.1:9190", or a socket, such as "unix:/run/pilotfish/admin.sock"',
  (value) => parseListenAddress(value) !== undefined,
);

const metricsAddress = matching(
  'host:port, such as "0.0.0.0:9464"',
  (value) => parseHostPort(value) !== undefined,
);

const address = matching(ADDRESS_RULE, (value) => parseAddressChoice(value) !== undefined).describe(
  'Where callers reach the service: an IP address or host name, interface:NAME, cidr:NETWORK/BITS, or detected.',
);

/** Allowed at the top, in a service and in a probe; the innermost wins. */
const schedule = {
  interval: duration(10, HOUR_MS).optional().describe('From one check to the next. Default 2s.'),
  fastInterval: duration(10, HOUR_MS)
    .optional()
    .describe('The interval while successes or failures are counted. Default 500ms, at most the interval.'),
  jitter: number(0, 0.5).optional().describe('The share by which the interval varies. Default 0.1.'),
  timeout: duration(10, HOUR_MS).optional().describe('Total deadline of one check. Default 1s.'),
  rise: whole(1, 1000).optional().describe('Successes in a row until healthy. Default 2; 1 for ttl.'),
  fall: whole(1, 1000).optional().describe('Failures in a row until unhealthy. Default 3; 1 for ttl.'),
  startGrace: duration(0, HOUR_MS)
    .optional()
    .describe('No failure counts for this long after the start. Default 0s.'),
};

const probeName = text(64)
  .optional()
  .describe('Tells probes of a service apart. Default from type and target.');

const common = {
  name: probeName,
  advisory: flag().optional().describe('Only report, never decide. Default false.'),
};

const requirement = either(
  oneOf(['all', 'any']),
  object({ atLeast: whole(1, 32).describe('So many of the probes must pass.') }),
);

const target = {
  host: matching('an IP address or a host name', isHost).optional().describe('Default 127.0.0.1.'),
  port: whole(1, 65_535).optional().describe("Default the service's port."),
  resolve: flag().optional().describe('Allow a host name that is looked up at each check. Default false.'),
};

const hold = flag()
  .optional()
  .describe('Hold an idle connection, to notice at once that the service died. Default true on loopback.');

const header = {
  name: matching(
    'a header name that the HTTP client does not set itself',
    (value) =>
      /^[!#$%&'*+.^_`|~0-9a-z-]{1,256}$/i.test(value) && !CONNECTION_HEADERS.has(value.toLowerCase()),
  ),
  value: matching('text without line breaks and control characters', (value) =>
    /^[\t\x20-\x7e\x80-\xff]*$/.test(value),
  ),
};

const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);

const COMMAND_RULE = 'a list of 1 to 64 texts: the program and its arguments';

const tls = either(
  flag(),
  object({
    ca: text().optional().describe('A PEM file of the authorities to trust instead of the system’s.'),
    serverName: matching('a host name', isHost).optional().describe('The name to verify. Default the host.'),
    insecureSkipVerify: flag().optional().describe('Accept any certificate. Default false.'),
  }),
);

const payload = matching(PAYLOAD_RULE, isPayload);

const program = matching(
  'the path or name of a program',
  (value) => value.length > 0 && value.length <= 1024 && !value.includes('\0'),
);

const argument = matching(
  'text of at most 1024 characters without NUL, in quotes where it looks like a number',
  (value) => value.length <= 1024 && !value.includes('\0'),
);

const tcpProbe = object({ type: z.literal('tcp'), ...common, ...target, hold, ...schedule });

const httpProbe = object({
  type: z.literal('http'),
  ...common,
  ...target,
  hold,
  path: matching('a path that starts with / and holds no spaces', (value) =>
    /^\/[\x21-\x22\x24-\x7e]*$/.test(value),
  )
    .optional()
    .describe('May hold a query. Default /.'),
  method: oneOf(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT']).optional().describe('Default GET.'),
  headers: z.record(header.name, header.value, { error: 'an object of texts' }).optional(),
  expectStatus: list(statusRule(), 'statuses', 1, 64).optional().describe('Default 200-299.'),
  expectBody: text().optional().describe('A text the body must contain.'),
  tls: tls.optional().describe('HTTPS, verified unless said otherwise. Default false.'),
  ...schedule,
});

const grpcProbe = object({
  type: z.literal('grpc'),
  ...common,
  ...target,
  hold,
  service: matching('a service name of at most 200 characters without spaces, or ""', (value) =>
    /^[\x21-\x7e]{0,200}$/.test(value),
  )
    .optional()
    .describe('The service to ask for. Default "", the server as a whole.'),
  tls: tls.optional().describe('TLS, verified unless said otherwise. Default false.'),
  ...schedule,
});

const udpProbe = object({
  type: z.literal('udp'),
  ...common,
  ...target,
  send: payload.describe('The datagram to send: text, or hex: and its bytes.'),
  expect: payload.describe('What a reply must contain: text, or hex: and its bytes.'),
  ...schedule,
});

const execProbe = object({
  type: z.literal('exec'),
  ...common,
  command: z
    .tuple([program], argument, { error: COMMAND_RULE })
    .refine((command) => command.length <= 64, COMMAND_RULE)
    .describe('The program and its arguments. No shell reads them.'),
  ...schedule,
});

const ttlProbe = object({
  type: z.literal('ttl'),
  ...common,
  ttl: duration(10, 24 * HOUR_MS).describe('Silence of the service for longer than this is a failure.'),
  ...schedule,
});

const longProbe = z.discriminatedUnion(
  'type',
  [tcpProbe, httpProbe, grpcProbe, udpProbe, execProbe, ttlProbe],
  {
    error: (issue) =>
      issue.code === 'invalid_union' ? 'one of: tcp, http, grpc, udp, exec, ttl' : 'an object',
  },
);

const probe = either(
  z
    .string({ error: ruleForProbeText('') })
    .refine((value) => longProbe.safeParse(expandProbeText(value)).success, {
      error: ({ input }) => ruleForProbeText(String(input)),
    }),
  longProbe,
);

const inFlight = object({
  url: matching('an http:// URL of the service itself', (value) => isHttpUrl(value)).describe(
    'Answers with a number, {"inFlight": 3}, or metrics.',
  ),
  metric: matching('the name of a Prometheus metric', (value) => /^[A-Za-z_:][\w:]*$/.test(value))
    .optional()
    .describe('The metric that counts them, summed over its labels.'),
});

const flapHoldDown = flag()
  .optional()
  .describe('Hold back the return of a service that goes up and down. Default true.');

const service = object({
  name: name().describe('The name callers ask for.'),
  port: whole(1, 65_535).describe('The port callers are sent to.'),
  id: name().optional().describe('Unique within the service and stable. Default <hostname>-<port>.'),
  address: address.optional(),
  weight: number(0, MAX_WEIGHT).refine(isWeight).optional().describe('Share of the traffic. Default 1.'),
  warningWeight: number(0, 1)
    .optional()
    .describe('The share of its weight that is left while a probe warns. Default 0.5.'),
  flapHoldDown,
  tags: list(text(), 'texts', 0, MAX_TAGS).optional(),
  zone: text().optional(),
  version: text().optional(),
  metadata: z
    .record(
      matching(`a key of 1 to ${MAX_NAME_LENGTH} characters`, isMetadataKey),
      matching('text, in quotes where it looks like a number', (value) => value.length <= 1024),
      { error: 'an object of texts' },
    )
    .refine(
      (entries) => Object.keys(entries).length <= MAX_METADATA_KEYS,
      `at most ${MAX_METADATA_KEYS} keys`,
    )
    .optional(),
  ...schedule,
  heartbeatSecretFile: text()
    .optional()
    .describe('A file, mode 600, with the secret that heartbeats of this service must carry.'),
  inFlight: inFlight.optional().describe('Where the service says how many requests it works on.'),
  require: requirement.optional().describe('How many of the probes must pass. Default all.'),
  probes: list(probe, 'probes', 1, 32).optional().describe('Default one tcp probe.'),
});

export const fileSchema = object({
  registry: either(registryUrl, list(registryUrl, 'registry URLs', 1, 8))
    .optional()
    .describe('Where to register, in all of them. Default local:.'),
  admin: adminAddress.optional().describe('Where the admin HTTP server listens. Default 127.0.0.1:9190.'),
  adminTokenFile: text()
    .optional()
    .describe('A file, mode 600, with the token that the admin server asks for. Required off loopback.'),
  metrics: metricsAddress
    .optional()
    .describe('Where other hosts may read /metrics and /healthz, without a password. Default nowhere.'),
  logLevel: oneOf(LOG_LEVELS).optional().describe('Default info.'),
  enableExecProbe: flag()
    .optional()
    .describe('Allow probes of type exec, which start programs. Only a file can say so. Default false.'),
  drainPropagation: duration(0, HOUR_MS)
    .optional()
    .describe('From "draining" in the registry to the removal of the entry. Default 200ms.'),
  drainWait: duration(0, HOUR_MS)
    .optional()
    .describe('From the removal to the end, where nobody says what is in flight. Default 5s.'),
  drainTimeout: duration(10, HOUR_MS).optional().describe('The cap over a whole drain. Default 25s.'),
  stateDir: text().optional().describe('Where the orders of operators are kept over a restart.'),
  reloadOnChange: flag().optional().describe('Reload when the file changes. Default false.'),
  flapHoldDown,
  protectMassFailure: flag()
    .optional()
    .describe('Deregister nobody for one fall more when all services fall silent at once. Default true.'),
  fleetSize: whole(1, 100_000)
    .optional()
    .describe('How many sidecars may lose their sessions together, and spread their return. Default 500.'),
  address: address.optional(),
  ...schedule,
  services: list(service, 'services', 1, 1000),
});

export type ConfigFile = z.infer<typeof fileSchema>;
export type ServiceInput = ConfigFile['services'][number];
export type ScheduleInput = Pick<ServiceInput, keyof typeof schedule>;
export type ProbeInput = z.infer<typeof longProbe>;
export type HttpProbeInput = z.infer<typeof httpProbe>;
export type ProbeTargetInput = Pick<HttpProbeInput, keyof typeof target>;

/** The long form of a probe that passed the schema. */
export function longFormOf(input: z.infer<typeof probe>): ProbeInput {
  return typeof input === 'string' ? longProbe.parse(expandProbeText(input)) : input;
}

function statusRule(): z.ZodType<number | string> {
  return z
    .union([z.number({ error: STATUS_RULE }), z.string({ error: STATUS_RULE })])
    .refine((value) => parseStatusRange(value) !== undefined, STATUS_RULE);
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && new URL(text).protocol === 'http:';
}

function isMetadataKey(key: string): boolean {
  return (
    key.length > 0 &&
    key.length <= MAX_NAME_LENGTH &&
    !['__proto__', 'constructor', 'prototype'].includes(key)
  );
}
