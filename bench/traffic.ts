/** What a client costs a server, as a proxy between the two counts it on the wire. */

export interface Traffic {
  /** How many of each sort: requests of the client, and messages that the server sends by itself. */
  readonly operations: Readonly<Record<string, number>>;
  /** Bytes from the server to the client. */
  readonly bytesIn: number;
}

export interface CountingProxy {
  readonly address: string;
  /** What went through since the last call. */
  take(): Traffic;
  close(): void;
}

export type StartProxy = (target: string) => Promise<CountingProxy>;

/** `1 list + 1 read`. */
export function formatOperations({ operations }: Traffic): string {
  const counted = Object.entries(operations).map(([name, count]) => `${count} ${name}`);
  return counted.length === 0 ? 'none' : counted.join(' + ');
}

export function formatKilobytes({ bytesIn }: Traffic): string {
  return (bytesIn / 1000).toFixed(2);
}
