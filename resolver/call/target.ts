/** What a call needs of the handle that it is made through. */
import type { Pick, PickRequest } from '../policy.js';

export interface CallTarget {
  readonly service: string;
  /** Throws as `ServiceHandle.pick` does. */
  pick(request?: PickRequest): Pick;
  /** One that is none of these instances; undefined when there is no other. */
  pickOther(avoided: ReadonlySet<string>, request?: PickRequest): Pick | undefined;
}
