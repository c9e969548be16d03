/** Which instances a filter speaks of: by tags, version and metadata. */
import type { Instance } from '../../registry/contract.js';

/** An instance matches when every criterion that is given does; with none given all match. */
export interface Match {
  /** All of them must be there. */
  readonly tags?: readonly string[];
  /** The version, or several of which one must be it. Compared as text. */
  readonly version?: string | readonly string[];
  /** Every key with exactly this value. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export function matches(instance: Instance, { tags = [], version, metadata = {} }: Match): boolean {
  return (
    tags.every((tag) => instance.tags.includes(tag)) &&
    (version === undefined || [version].flat().some((one) => one === instance.version)) &&
    Object.entries(metadata).every(([key, value]) => instance.metadata[key] === value)
  );
}
