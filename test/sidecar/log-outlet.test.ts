import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { VirtualClock } from '../../runtime/virtual-clock.js';
import { LogOutlet, MAX_WAITING_BYTES, RETRY_MS } from '../../sidecar/log-outlet.js';
import { type LogTarget, logTarget } from '../../sidecar/log-target.js';

/** A reader that takes only what it has room for. */
class Reader implements LogTarget {
  room = Number.POSITIVE_INFINITY;
  text = '';
  error: string | undefined;
  isClosed = false;

  write(bytes: Uint8Array): number {
    if (this.error !== undefined) throw Object.assign(new Error('no'), { code: this.error });
    if (this.room === 0) throw Object.assign(new Error('full'), { code: 'EAGAIN' });
    const taken = bytes.subarray(0, this.room);
    this.room -= taken.length;
    this.text += Buffer.from(taken).toString();
    return taken.length;
  }

  close(): void {
    this.isClosed = true;
  }
}

function outletTo(reader: Reader): { clock: VirtualClock; outlet: LogOutlet } {
  const clock = new VirtualClock();
  return { clock, outlet: new LogOutlet(reader, clock) };
}

describe('a reader that keeps up', () => {
  test('has each line before the call returns, and costs no timer', () => {
    const reader = new Reader();
    const { clock, outlet } = outletTo(reader);
    outlet.write('one\n');
    outlet.write('two\n');
    expect(reader.text).toBe('one\ntwo\n');
    expect(clock.pending).toBe(0);
  });
});

describe('a reader that stops', () => {
  test('gets everything in order when it goes on, a line that was cut in the middle included', async () => {
    const reader = new Reader();
    const { clock, outlet } = outletTo(reader);
    reader.room = 6;
    for (const line of ['one\n', 'two\n', 'three\n']) outlet.write(line);
    expect(reader.text).toBe('one\ntw');
    reader.room = Number.POSITIVE_INFINITY;
    await clock.advance(RETRY_MS);
    expect(reader.text).toBe('one\ntwo\nthree\n');
    expect(outlet.droppedLines).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('costs a bounded memory: what is above is dropped, counted, and told once when it goes on', async () => {
    const reader = new Reader();
    const { clock, outlet } = outletTo(reader);
    outlet.onCaughtUp((dropped) => outlet.write(`dropped ${dropped}\n`));
    reader.room = 0;
    const line = `${'x'.repeat(1023)}\n`;
    const kept = MAX_WAITING_BYTES / line.length;
    for (let i = 0; i < kept + 7; i++) outlet.write(line);
    expect(outlet.droppedLines).toBe(7);
    await clock.advance(60_000);
    reader.room = Number.POSITIVE_INFINITY;
    await clock.advance(RETRY_MS);
    expect(reader.text).toBe(`${line.repeat(kept)}dropped 7\n`);
    outlet.write('after\n');
    expect(reader.text.endsWith('dropped 7\nafter\n')).toBe(true);
    expect(outlet.droppedLines).toBe(7);
  });

  test('holds an end up for no longer than it is given', async () => {
    const reader = new Reader();
    const { clock, outlet } = outletTo(reader);
    reader.room = 0;
    outlet.write('one\n');
    let isOver = false;
    void outlet.flush(1_000).then(() => {
      isOver = true;
    });
    await clock.advance(999);
    expect(isOver).toBe(false);
    await clock.advance(RETRY_MS);
    expect(isOver).toBe(true);
    outlet.close();
    expect(reader.isClosed).toBe(true);
    expect(clock.pending).toBe(0);
    reader.room = Number.POSITIVE_INFINITY;
    outlet.write('two\n');
    expect(reader.text).toBe('');
  });

  test('has the rest before the end when it goes on in time', async () => {
    const reader = new Reader();
    const { clock, outlet } = outletTo(reader);
    reader.room = 0;
    outlet.write('one\n');
    const flushed = outlet.flush(1_000);
    await clock.advance(RETRY_MS);
    reader.room = Number.POSITIVE_INFINITY;
    await clock.advance(2 * RETRY_MS);
    await flushed;
    expect(reader.text).toBe('one\n');
  });
});

test.each(['EPIPE', 'ENOSPC', 'EIO'])('a log that fails by %s loses lines and nothing else', (code) => {
  const reader = new Reader();
  const { clock, outlet } = outletTo(reader);
  const told: number[] = [];
  outlet.onCaughtUp((dropped) => {
    told.push(dropped);
    outlet.write('told\n');
  });
  reader.error = code;
  outlet.write('one\n');
  outlet.write('two\n');
  expect([outlet.droppedLines, told, clock.pending]).toEqual([2, [], 0]);
  reader.error = undefined;
  outlet.write('three\n');
  expect([reader.text, outlet.droppedLines, told]).toEqual(['three\ntold\n', 2, [2]]);
});

describe('a descriptor', () => {
  const directory = mkdtempSync(join(tmpdir(), 'pilotfish-log-'));
  const open: number[] = [];

  afterEach(() => {
    for (const fd of open.splice(0)) closeSync(fd);
    rmSync(directory, { recursive: true, force: true });
  });

  test('of a pipe that is full answers at once, and its own flags stay as they were', () => {
    const path = join(directory, 'pipe');
    execFileSync('mkdir', ['-p', directory]);
    execFileSync('mkfifo', [path]);
    const reader = openSync(path, constants.O_RDWR);
    const writer = openSync(path, constants.O_WRONLY);
    open.push(reader, writer);
    const flags = flagsOf(writer);
    const target = logTarget(writer);
    const fill = (): void => {
      for (;;) target.write(Buffer.alloc(4096));
    };
    expect(fill).toThrow(expect.objectContaining({ code: 'EAGAIN' }));
    expect(flagsOf(writer)).toBe(flags);
    readSync(reader, Buffer.alloc(4096));
    expect(target.write(Buffer.from('line\n'))).toBe(5);
    target.close();
    expect(flagsOf(writer)).toBe(flags);
  });

  test('of a file is written where it stands', () => {
    execFileSync('mkdir', ['-p', directory]);
    const path = join(directory, 'file');
    writeFileSync(path, 'before\n');
    const fd = openSync(path, 'a');
    open.push(fd);
    const target = logTarget(fd);
    target.write(Buffer.from('line\n'));
    target.close();
    expect(readFileSync(path, 'utf8')).toBe('before\nline\n');
  });
});

function flagsOf(fd: number): string | undefined {
  return /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
}
