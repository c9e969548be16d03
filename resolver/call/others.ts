/**
 * A pick that is none of certain endpoints. A policy knows nothing of exclusions, so it is asked until one fits: a second
 * picker of the same policy, because first requests would otherwise fall into step with retries. (Round-robin over two
 * endpoints, one of them dead: each retry would take the turn of the good one, and the dead one all first requests.)
 * A key that leads to an excluded endpoint is varied, the same way everywhere, so it has one second choice and no herd.
 *
 * Where that finds nobody, as under a weight that outdoes all others or a preferred zone with a single endpoint, the
 * policy builds a picker for the list without those endpoints. Neither picker knows what the first one has in flight.
 */
import type { Instance } from '../../registry/contract.js';
import type { Pick, Picker, PickRequest, Policy, PolicyContext } from '../policy.js';

/** With three equal endpoints and one to avoid, one search in 6561 needs more. */
const PICKS_IN_VAIN = 8;
/** Pickers that are kept for a list: usually the same few endpoints are avoided again and again. */
const REMEMBERED = 16;

export class Others {
  readonly #policy: Policy;
  readonly #context: PolicyContext;
  /** By the ids that were left out of the list, from none on. */
  readonly #pickers = new Map<string, Picker>();
  #candidates: readonly Instance[] = [];

  constructor(policy: Policy, context: PolicyContext) {
    this.#policy = policy;
    this.#context = context;
  }

  /**
   * Undefined when there is no other. O(1) as a rule; what the policy's `build` costs for the first search in a list, and
   * where a search finds nobody.
   *
   * @param candidates Those that may be picked. A new list is a new array.
   * @param avoided Ids of instances.
   */
  pick(
    candidates: readonly Instance[],
    avoided: ReadonlySet<string>,
    request: PickRequest | undefined,
  ): Pick | undefined {
    if (candidates !== this.#candidates) this.#pickers.clear();
    this.#candidates = candidates;
    if (candidates.every(({ id }) => avoided.has(id))) return undefined;
    const all = this.#pickerWithout(new Set());
    return (all && search(all, avoided, request)) ?? this.#pickerWithout(avoided)?.pick(request);
  }

  #pickerWithout(avoided: ReadonlySet<string>): Picker | undefined {
    const key = [...avoided].sort().join('\n');
    const known = this.#pickers.get(key);
    if (known !== undefined) return known;
    const left = this.#candidates.filter(({ id }) => !avoided.has(id));
    if (left.length === 0) return undefined;
    const picker = this.#policy.build(Object.freeze(left), undefined, this.#context);
    if (this.#pickers.size >= REMEMBERED) this.#pickers.clear();
    this.#pickers.set(key, picker);
    return picker;
  }
}

/** What is chosen in vain is held until one fits, so that policies which count requests look elsewhere by themselves. */
function search(
  picker: Picker,
  avoided: ReadonlySet<string>,
  request: PickRequest | undefined,
): Pick | undefined {
  const inVain: Pick[] = [];
  let pick = picker.pick(request);
  while (pick !== undefined && avoided.has(pick.instance.id)) {
    inVain.push(pick);
    pick = inVain.length < PICKS_IN_VAIN ? picker.pick(varied(request, inVain.length)) : undefined;
  }
  for (const each of inVain) each.done('cancelled');
  return pick;
}

function varied(request: PickRequest | undefined, times: number): PickRequest | undefined {
  return request?.key === undefined ? request : { ...request, key: `${request.key} ${times}` };
}
