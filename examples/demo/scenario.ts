/** The story of the demo: all are listed, one is killed and leaves, is started again and returns. */
import type { ServiceHandle } from 'pilotfish';
import type { Fleet } from './fleet.js';

export interface Sighting {
  /** From SIGKILL until the caller's list no longer held it. */
  readonly leftAfterMs: number;
  /** From the start of the new process until the caller's list held it again. */
  readonly returnedAfterMs: number;
}

export interface ScenarioOptions {
  readonly ids: readonly string[];
  /** Which one is killed. */
  readonly victim: string;
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

const ALL_LISTED_LIMIT_MS = 10_000;
const LEAVE_LIMIT_MS = 6_000;
const RETURN_LIMIT_MS = 6_000;
const CALM_MS = 2_000;

/** Rejects when something that should be seen was not, saying what. */
export async function play(
  fleet: Fleet,
  service: ServiceHandle,
  options: ScenarioOptions,
): Promise<Sighting> {
  const { ids, victim, note, signal } = options;
  await until(
    service,
    (listed) => ids.every((id) => listed.has(id)),
    ALL_LISTED_LIMIT_MS,
    'all were listed',
    signal,
  );
  note(`all ${ids.length} instances are listed`);
  await calm(signal);

  note(`killing the process of ${victim} with SIGKILL`);
  const killedAt = performance.now();
  await fleet.killService(victim);
  await until(service, (listed) => !listed.has(victim), LEAVE_LIMIT_MS, `${victim} left`, signal);
  const leftAfterMs = performance.now() - killedAt;
  note(`${victim} left the list after ${seconds(leftAfterMs)}`);
  await calm(signal);

  note(`starting ${victim} again`);
  const startedAt = performance.now();
  await fleet.restartService(victim);
  await until(service, (listed) => listed.has(victim), RETURN_LIMIT_MS, `${victim} returned`, signal);
  const returnedAfterMs = performance.now() - startedAt;
  note(`${victim} returned to the list after ${seconds(returnedAfterMs)}`);
  await calm(signal);
  return { leftAfterMs, returnedAfterMs };
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

export function idsIn(service: ServiceHandle): ReadonlySet<string> {
  return new Set(service.snapshot?.instances.map(({ id }) => id));
}

async function until(
  service: ServiceHandle,
  seen: (listed: ReadonlySet<string>) => boolean,
  limitMs: number,
  what: string,
  signal: AbortSignal,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const check = (): void => {
      if (seen(idsIn(service))) end(resolve);
    };
    const late = setTimeout(() => {
      end(() => reject(new Error(`not seen within ${seconds(limitMs)}: ${what}`)));
    }, limitMs);
    const onAbort = (): void => end(() => reject(signal.reason));
    const stopListening = service.onChange(check);
    const end = (settle: () => void): void => {
      clearTimeout(late);
      stopListening();
      signal.removeEventListener('abort', onAbort);
      settle();
    };
    signal.addEventListener('abort', onAbort);
    check();
  });
}

async function calm(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, CALM_MS);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}
