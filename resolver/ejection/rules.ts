/** When an endpoint is taken for an outlier, for how long, and how many of them may be ejected: options and their defaults. */
import { describe, reject } from '../../runtime/expected.js';
import { checkNumbers } from '../check-numbers.js';
import { type Classify, classifyOutcome } from './classify.js';

export interface EjectionOptions {
  /** Failures in a row that make an outlier. Default 5. */
  readonly consecutiveFailures?: number;
  /** The first ejection lasts half of this up to all of it, each further one up to twice as long. Default 5000 ms. */
  readonly baseMs?: number;
  /** The same after a refused connection, which ejects at once and so may be wrong more often. Default 1000 ms. */
  readonly connectBaseMs?: number;
  /** No ejection lasts longer, those that an endpoint asks for included. Default 300000 ms. */
  readonly maxMs?: number;
  /** Share of the endpoints that may be ejected at a time, 0 to 1; one may always, unless it is the only one. Default 0.33. */
  readonly maxEjectedShare?: number;
  /** Panic: with a smaller share of endpoints that are no outliers, nobody is ejected. 0 to 1, default 0.5. */
  readonly panicBelow?: number;
  /** Endpoints that fail much more often than the others. `false` for never. */
  readonly successRate?: SuccessRateOptions | false;
  /** Endpoints that answer much slower than the others. `false` for never. */
  readonly latency?: LatencyOptions | false;
  /** What the two comparisons above are based on. */
  readonly sample?: SampleOptions;
  /** What an outcome says of the endpoint. Default `classifyOutcome`. */
  readonly classify?: Classify;
}

export interface SuccessRateOptions {
  /** An outlier succeeds less often than this share of the median of all endpoints. Default 0.8. */
  readonly below?: number;
}

export interface LatencyOptions {
  /** An outlier takes longer than so many times the median of all endpoints, on average. Default 5. */
  readonly above?: number;
  /** Nobody that answers faster than this is one. Default 100 ms. */
  readonly minMs?: number;
}

export interface SampleOptions {
  /** Endpoints are compared so often, by what they did since the last time. Default 10000 ms. */
  readonly intervalMs?: number;
  /** Those with fewer requests in it are left out of the comparison. Default 20. */
  readonly minRequests?: number;
  /** With fewer endpoints left nobody is compared. Default 5, at least 3. */
  readonly minEndpoints?: number;
}

/** The options with every default filled in. */
export interface EjectionRules {
  readonly consecutiveFailures: number;
  readonly baseMs: number;
  readonly connectBaseMs: number;
  readonly maxMs: number;
  readonly maxEjectedShare: number;
  readonly panicBelow: number;
  readonly successRate: Required<SuccessRateOptions> | false;
  readonly latency: Required<LatencyOptions> | false;
  readonly sample: Required<SampleOptions>;
  readonly classify: Classify;
}

const resolved = new WeakMap<EjectionOptions, EjectionRules>();
const DEFAULTS: EjectionOptions = {};

/**
 * The same rules for the same options, so that handles which were given one object share what they learn.
 *
 * @param common What `true` stands for. Default: every default.
 * @returns Undefined where ejection is off. Throws BAD_INPUT for options that make no sense.
 */
export function ejectionRules(
  options: EjectionOptions | boolean | undefined,
  common?: EjectionRules,
): EjectionRules | undefined {
  if (options === undefined || options === false) return undefined;
  if (options === true && common !== undefined) return common;
  const given = options === true ? DEFAULTS : options;
  const known = resolved.get(given);
  if (known !== undefined) return known;
  const rules = checked(withDefaults(given));
  resolved.set(given, rules);
  return rules;
}

function withDefaults(options: EjectionOptions): EjectionRules {
  const { successRate = {}, latency = {}, sample = {} } = options;
  return {
    consecutiveFailures: options.consecutiveFailures ?? 5,
    baseMs: options.baseMs ?? 5_000,
    connectBaseMs: options.connectBaseMs ?? 1_000,
    maxMs: options.maxMs ?? 300_000,
    maxEjectedShare: options.maxEjectedShare ?? 0.33,
    panicBelow: options.panicBelow ?? 0.5,
    successRate: successRate && { below: successRate.below ?? 0.8 },
    latency: latency && { above: latency.above ?? 5, minMs: latency.minMs ?? 100 },
    sample: {
      intervalMs: sample.intervalMs ?? 10_000,
      minRequests: sample.minRequests ?? 20,
      minEndpoints: sample.minEndpoints ?? 5,
    },
    classify: options.classify ?? classifyOutcome,
  };
}

const LONGEST_MS = 86_400_000;
const MOST = Number.MAX_SAFE_INTEGER;

function checked(rules: EjectionRules): EjectionRules {
  const { sample, successRate, latency } = rules;
  checkNumbers({
    'ejection.consecutiveFailures': { value: rules.consecutiveFailures, min: 1, max: MOST },
    'ejection.baseMs': { value: rules.baseMs, min: 1, max: LONGEST_MS },
    'ejection.connectBaseMs': { value: rules.connectBaseMs, min: 1, max: LONGEST_MS },
    'ejection.maxMs': { value: rules.maxMs, min: 1, max: LONGEST_MS },
    'ejection.maxEjectedShare': { value: rules.maxEjectedShare, min: 0, max: 1 },
    'ejection.panicBelow': { value: rules.panicBelow, min: 0, max: 1 },
    'ejection.sample.intervalMs': { value: sample.intervalMs, min: 1, max: LONGEST_MS },
    'ejection.sample.minRequests': { value: sample.minRequests, min: 1, max: MOST },
    'ejection.sample.minEndpoints': { value: sample.minEndpoints, min: 3, max: MOST },
    ...(successRate && { 'ejection.successRate.below': { value: successRate.below, min: 0, max: 1 } }),
    ...(latency && {
      'ejection.latency.above': { value: latency.above, min: 1, max: MOST },
      'ejection.latency.minMs': { value: latency.minMs, min: 0, max: LONGEST_MS },
    }),
  });
  if (typeof rules.classify !== 'function')
    reject('ejection.classify', 'a function', describe(rules.classify));
  return rules;
}
