/**
 * What the configuration means on this machine: for each service the instance as it will be listed, and its probes.
 * Whatever can be wrong is found here, all of it at once, before anything is started or registered.
 */
import type { Instance } from '../registry/contract.js';
import { encodeInstance } from '../registry/formats/pilotfish.js';
import { MAX_TEXT_LENGTH, parseInstance } from '../registry/instance.js';
import { BadInputError, type Problem } from '../runtime/expected.js';
import { chooseAddress, isSharedRegistry } from './address.js';
import { readBearerSecret } from './bearer.js';
import type { ProbeConfig, ServiceConfig, SidecarConfig } from './config/config.js';
import { createProbe, type ProbeContext } from './probes/create.js';
import type { Probe } from './probes/probe.js';

export interface ServicePlan {
  readonly config: ServiceConfig;
  /** How it is listed while passing. */
  readonly instance: Instance;
  readonly probes: readonly PlannedProbe[];
  /** What its heartbeats must carry; undefined for nothing. */
  readonly heartbeatSecret: string | undefined;
}

export interface PlannedProbe {
  readonly config: ProbeConfig;
  readonly probe: Probe;
}

/** Starts nothing. Rejects BAD_INPUT. */
export async function planServices(
  { services, registries }: SidecarConfig,
  context: ProbeContext,
): Promise<readonly ServicePlan[]> {
  const shared = registries.some(isSharedRegistry);
  const problems: Problem[] = [];
  const plans: ServicePlan[] = [];
  for (const [i, service] of services.entries()) {
    const at = `services[${i}]`;
    const instance = await collected(problems, `${at}.`, () => instanceOf(service, shared));
    const probes: PlannedProbe[] = [];
    for (const [j, config] of service.probes.entries()) {
      const probe = await collected(problems, `${at}.probes[${j}].`, () => createProbe(config, context));
      if (probe !== undefined) probes.push({ config, probe });
    }
    const heartbeatSecret = await collected(problems, `${at}.`, () => heartbeatSecretOf(service));
    if (instance !== undefined) plans.push({ config: service, instance, probes, heartbeatSecret });
  }
  if (problems.length > 0) throw new BadInputError(problems);
  return plans;
}

async function instanceOf({ name, address, ...rest }: ServiceConfig, shared: boolean): Promise<Instance> {
  const host = await chooseAddress(address, { shared });
  const parsed = parseInstance({ ...rest, service: name, host });
  if (!parsed.ok) throw new BadInputError(parsed.error);
  // With the longest note that an order may add later, so that none fails for its size.
  encodeInstance({ ...parsed.value, status: 'maintenance', note: LONGEST_NOTE });
  return parsed.value;
}

const LONGEST_NOTE = '\uffff'.repeat(MAX_TEXT_LENGTH);

async function heartbeatSecretOf({ heartbeatSecretFile: file }: ServiceConfig): Promise<string | undefined> {
  return file === undefined ? undefined : readBearerSecret(file, 'heartbeatSecretFile');
}

/** The result of `work`, or undefined and its problems, each with `path` in front of its own. */
async function collected<T>(
  problems: Problem[],
  path: string,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BadInputError)) throw error;
    problems.push(...error.problems.map((problem) => ({ ...problem, path: path + problem.path })));
    return undefined;
  }
}
