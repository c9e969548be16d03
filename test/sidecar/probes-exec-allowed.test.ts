/** Who may make the sidecar start a program: whoever writes its configuration file, and nobody else. */
import { describe, expect, test } from 'vitest';
import { load, problemsOf } from '../helpers/config.js';

const probe = { type: 'exec', command: ['/usr/lib/check_disk', '-w', '90%'] };
const service = { name: 'orders', id: 'one', port: 8080, probes: [probe] };

const HOW =
  'expected a configuration file that has "enableExecProbe: true" and the probe as { type: exec, command: [...] }';

test('a file that enables exec probes may have them', async () => {
  const { config } = await load({ file: { enableExecProbe: true, services: [service] } });
  expect(config.enableExecProbe).toBe(true);
  expect(config.services[0]?.probes).toEqual([
    expect.objectContaining({
      type: 'exec',
      name: 'exec:check_disk',
      command: ['/usr/lib/check_disk', '-w', '90%'],
      subject: { service: 'orders', id: 'one', port: 8080 },
    }),
  ]);
});

test('exec probes are off unless the file says otherwise', async () => {
  expect((await load({ file: { services: [{ ...service, probes: ['tcp'] }] } })).config.enableExecProbe).toBe(
    false,
  );
  expect(await problemsOf({ file: { services: [service] } })).toEqual([
    'expected "enableExecProbe: true" at the top level of the file beside a probe of type exec, got none, at services[0].probes[0].type',
  ]);
});

describe('no flag and no variable starts a program', () => {
  const flags = { service: 'orders', port: '8080' };

  test('by a flag', async () => {
    expect(await problemsOf({ flags: { ...flags, probe: ['exec:/bin/true'] } })).toEqual([
      `${HOW}, got "exec:/bin/true", at --probe[0]`,
    ]);
  });

  test('by a variable', async () => {
    expect(await problemsOf({ flags, env: { PILOTFISH_PROBE: 'tcp,exec:/bin/true' } })).toEqual([
      `${HOW}, got "exec:/bin/true", at PILOTFISH_PROBE[1]`,
    ]);
  });

  test('not even beside a file that enables them', async () => {
    const file = { enableExecProbe: true, services: [service] };
    expect(await problemsOf({ file, flags: { probe: ['exec:/bin/true'] } })).toEqual([
      `${HOW}, got "exec:/bin/true", at --probe[0]`,
    ]);
  });

  test('by a variable that would enable them', async () => {
    const file = { services: [service] };
    const [first] = await problemsOf({ file, env: { PILOTFISH_ENABLE_EXEC_PROBE: 'true' } });
    expect(first).toMatch(/got "PILOTFISH_ENABLE_EXEC_PROBE", at PILOTFISH_ENABLE_EXEC_PROBE$/);
  });
});
