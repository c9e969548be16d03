/** What a sidecar costs, beside a bare Node process: its start, and its memory and processor time at rest. */
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchRest, type RestSettings } from './sidecar-rest.js';
import { benchSchedule, type ScheduleSettings } from './sidecar-schedule.js';
import { benchStart } from './sidecar-start.js';

const FULL_REST: RestSettings = { services: [1, 10, 100], windows: 3, windowMs: 5_000 };
const FULL_SCHEDULE: ScheduleSettings = { services: [100, 1_000], windowMs: 20_000 };
const QUICK_SCHEDULE: ScheduleSettings = { services: [10], windowMs: 2_000 };

const QUICK_REST: RestSettings = { services: [1, 10], windows: 1, windowMs: 2_000 };

export async function benchSidecar({ quick }: { readonly quick: boolean }): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pilotfish-bench-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  await benchStart(`local:${join(folder, 'registry')}`, quick ? 3 : 11);
  await benchRest(folder, quick ? QUICK_REST : FULL_REST);
  await benchSchedule(folder, quick ? QUICK_SCHEDULE : FULL_SCHEDULE);
}
