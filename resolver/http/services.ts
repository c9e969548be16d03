/** What the HTTP side needs of a discovery. */
import type { Clock } from '../../runtime/clock.js';
import type { EjectionOptions } from '../ejection/rules.js';
import type { Policy } from '../policy.js';
import type { ServiceHandle } from '../service-handle.js';

export interface Services {
  readonly clock: Clock;
  /** What `connect` was given; undefined where it was given nothing. */
  readonly ejection?: EjectionOptions | boolean | undefined;
  service(name: string, options?: HandleOptions): ServiceHandle;
}

interface HandleOptions {
  readonly policy?: Policy;
  readonly ejection?: EjectionOptions | boolean;
}

/** Passive health is on unless `connect` says otherwise, because every outcome is reported here. */
export function openHandle(services: Services, name: string, policy: Policy | undefined): ServiceHandle {
  return services.service(name, { ...(policy && { policy }), ejection: services.ejection ?? true });
}
