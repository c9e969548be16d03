/** What the clients under comparison are asked for, each behind an adapter as thin as it can be. */

export interface ZkClient {
  /** With `onChange`, which is called once, the read sets a watch. */
  children(path: string, onChange?: () => void): Promise<readonly string[]>;
  /** With `onChange`, which is called once, the read sets a watch. Undefined when there is no such node. */
  get(path: string, onChange?: () => void): Promise<Uint8Array | undefined>;
  set(path: string, data: Uint8Array): Promise<unknown>;
  /** Ends the session. */
  close(): Promise<void>;
}

/** Resolves when connected. */
export type OpenClient = (address: string) => Promise<ZkClient>;

export const SESSION_TIMEOUT_MS = 10_000;
export const NO_NODE = -101;
