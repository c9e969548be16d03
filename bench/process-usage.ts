/** What a process uses: its memory now, and the processor time that it has had. Of another process from Linux's /proc. */
import { readdir, readFile } from 'node:fs/promises';

export interface Memory {
  /** All its pages that are in memory, those shared with other processes included. */
  readonly residentMiB: number;
  /** The part that is no copy of a file: heap, stacks, compiled code. About what one more process costs. */
  readonly anonymousMiB: number;
}

export async function memoryOf(pid: number): Promise<Memory> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mebibytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024;
  return { residentMiB: mebibytes('Rss'), anonymousMiB: mebibytes('Anonymous') };
}

/** Of this process since then: all its threads, those that collect garbage included; not the time that it waits for a core. */
export function processorMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Of all its threads, in milliseconds. Finer than /proc/<pid>/stat, whose hundredths an idle process hardly has. */
export async function processorMsOf(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const nanoseconds = await Promise.all(
    threads.map(async (thread) => {
      const text = await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
      return Number(text.split(' ')[0]);
    }),
  );
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1e6;
}
