/** With real programs: what they say, and that nothing is left of them. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import type { ExecProbeConfig } from '../../sidecar/config/config.js';
import { createProbe } from '../../sidecar/probes/create.js';
import { MAX_OUTPUT_BYTES } from '../../sidecar/probes/exec.js';
import { type CheckResult, MAX_REASON_LENGTH } from '../../sidecar/probes/probe.js';
import { execConfig, until } from './support.js';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pilotfish-exec-'));
});
afterAll(() => rm(dir, { recursive: true }));

async function check(
  command: ExecProbeConfig['command'],
  overrides: Partial<ExecProbeConfig> = {},
): Promise<CheckResult> {
  const probe = await createProbe(execConfig(command, overrides), { clock: systemClock });
  return probe.check(new AbortController().signal);
}

/** A check written for a shell, as many are. */
const sh = (script: string, overrides: Partial<ExecProbeConfig> = {}): Promise<CheckResult> =>
  check(['/bin/sh', '-c', script], overrides);

/** A zombie that process 1 has not reaped yet is over, too. */
async function isOver(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat === undefined || /\) Z /.test(stat);
}

async function untilOver(pid: number): Promise<void> {
  let over = false;
  await until(() => {
    void isOver(pid).then((is) => {
      over = is;
    });
    return over;
  }, `process ${pid} to end`);
}

async function pidIn(file: string): Promise<number> {
  const text = await readFile(join(dir, file), 'utf8');
  return Number(text.trim());
}

describe('an exec probe', () => {
  test.each([
    [0, 'passing'],
    [1, 'warning'],
    [2, 'failing'],
    [3, 'failing'],
    [255, 'failing'],
  ])('takes exit code %i for %s', async (code, status) => {
    expect(await sh(`echo disk 91 %; exit ${code}`)).toMatchObject({
      status,
      reason: `exited with ${code}: disk 91 %`,
    });
  });

  test('fails when a signal ends the program', async () => {
    expect(await sh('kill -TERM $$')).toMatchObject({ status: 'failing', reason: 'was ended by SIGTERM' });
  });

  test.each([
    ['nothing', 'true', 'exited with 0'],
    ['the first line that says something', 'printf "\\n  \\nwell\\nmore\\n"', 'exited with 0: well'],
    ['standard error where standard output is empty', 'echo broken >&2', 'exited with 0: broken'],
    ['standard output before standard error', 'echo err >&2; echo out', 'exited with 0: out'],
  ])('shows of the output %s', async (_name, script, reason) => {
    expect(await sh(script)).toMatchObject({ reason });
  });

  test('shows one short printable line', async () => {
    const { reason } = await sh(`printf '\\033[31mred\\r'; head -c 9000 /dev/zero | tr '\\0' x`);
    expect(reason).toMatch(/^exited with 0: \\u001b\[31mred\\u000dx+…$/);
    expect(reason.length).toBeLessThanOrEqual(MAX_REASON_LENGTH);
  });

  test('hands arguments over as they are: no shell reads them', async () => {
    const argument = '$(id) * ; `id` "\' \\ $HOME';
    const result = await check(['/usr/bin/printf', '%s', argument]);
    expect(result).toMatchObject({ status: 'passing', reason: `exited with 0: ${argument}` });
  });

  test('finds the program in PATH', async () => {
    expect(await check(['true'])).toMatchObject({ status: 'passing', reason: 'exited with 0' });
  });

  test('gives the program its subject and nothing of our own environment', async () => {
    process.env.PILOTFISH_TEST_SECRET = 'hunter2';
    try {
      const file = join(dir, 'environment');
      await sh(`env > ${file}; pwd >> ${file}; cat >> ${file}`);
      const lines = (await readFile(file, 'utf8')).trim().split('\n');
      const ofTheShell = /^(PWD|OLDPWD|SHLVL|_)=/;
      expect(lines.filter((line) => !ofTheShell.test(line)).sort()).toEqual([
        '/',
        `PATH=${process.env.PATH}`,
        'PILOTFISH_ID=orders-1',
        'PILOTFISH_PORT=8080',
        'PILOTFISH_SERVICE=orders',
      ]);
    } finally {
      delete process.env.PILOTFISH_TEST_SECRET;
    }
  });

  test('reads a lot of output to its end', async () => {
    expect(await sh('echo well; head -c 500000 /dev/zero')).toMatchObject({
      status: 'passing',
      reason: 'exited with 0: well',
    });
  });

  test('ends a program that writes without end', async () => {
    const result = await sh(`echo $$ > ${dir}/endless; exec yes`);
    expect(result).toMatchObject({ status: 'failing', reason: `wrote more than ${MAX_OUTPUT_BYTES} bytes` });
    await untilOver(await pidIn('endless'));
  });
});

describe('a program that cannot be started', () => {
  test('fails where there is none', async () => {
    expect(await check(['/nowhere/check'])).toMatchObject({
      status: 'failing',
      reason: 'spawn /nowhere/check ENOENT',
    });
  });

  test('fails where it may not be executed', async () => {
    const file = join(dir, 'plain');
    await writeFile(file, 'no program');
    await chmod(file, 0o600);
    expect(await check([file])).toMatchObject({ status: 'failing', reason: `spawn ${file} EACCES` });
  });
});

describe('what an exec probe leaves behind', () => {
  /** A program with a child and a grandchild; all their numbers are in files. */
  const family = (ending: string): string =>
    `echo $$ > ${dir}/parent
     /bin/sh -c 'echo $$ > ${dir}/child; sleep 600 & echo $! > ${dir}/grandchild; wait' &
     until [ -s ${dir}/grandchild ]; do sleep 0.01; done
     ${ending}`;

  async function untilFamilyOver(): Promise<void> {
    for (const member of ['parent', 'child', 'grandchild']) {
      await untilOver(await pidIn(member));
      await rm(join(dir, member));
    }
  }

  test('is nothing when it ends, whatever it has started meanwhile', async () => {
    expect(await sh(family('echo well'))).toMatchObject({ status: 'passing', reason: 'exited with 0: well' });
    await untilFamilyOver();
  });

  test('is nothing after the deadline, even of those that ignore SIGTERM', async () => {
    const result = await sh(family(`trap '' TERM; wait`), { timeoutMs: 1000 });
    expect(result).toMatchObject({
      status: 'failing',
      failure: 'timeout',
      reason: '/bin/sh took longer than 1000 ms',
    });
    await untilFamilyOver();
  });

  test('is nothing when its signal aborts', async () => {
    const probe = await createProbe(execConfig(['/bin/sh', '-c', family('wait')], { timeoutMs: 60_000 }), {
      clock: systemClock,
    });
    const stop = new AbortController();
    const checking = probe.check(stop.signal);
    let started = false;
    await until(() => {
      void pidIn('grandchild').then(
        (pid) => {
          started = pid > 0;
        },
        () => {},
      );
      return started;
    }, 'the family to be there');
    stop.abort(new Error('enough'));
    expect(await checking).toMatchObject({ reason: 'enough' });
    await untilFamilyOver();
  });

  test('a process that escaped with the pipe in its hands does not hold the check up', async () => {
    const script = `setsid /bin/sh -c 'echo $$ > ${dir}/escaped; sleep 600' &
      until [ -s ${dir}/escaped ]; do sleep 0.01; done; echo well`;
    const result = await sh(script, { timeoutMs: 60_000 });
    process.kill(-(await pidIn('escaped')), 'SIGKILL');
    expect(result).toMatchObject({ status: 'passing', reason: 'exited with 0: well' });
    expect(result.durationMs).toBeLessThan(60_000);
  });

  test('a check whose signal is aborted already starts nothing', async () => {
    const file = join(dir, 'never');
    const probe = await createProbe(execConfig(['/usr/bin/touch', file]), { clock: systemClock });
    expect(await probe.check(AbortSignal.abort(new Error('enough')))).toMatchObject({ reason: 'enough' });
    await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
