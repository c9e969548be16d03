/** What every command has in common: help, version, bad input and its exit code. */
import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { parseArguments } from '../../cli/arguments.js';
import { outputTo, tableLines } from '../../cli/output.js';
import { stopSignals } from '../../cli/signals.js';
import { BadInputError } from '../../runtime/expected.js';
import { runCli } from '../helpers/cli.js';

const COMMANDS = [
  ...['sidecar', 'ls', 'watch', 'resolve', 'explain', 'heartbeat'],
  ...['status', 'drain', 'undrain', 'maintenance', 'force', 'weight', 'reload'],
];

test('without a command it shows what there is, as an error', async () => {
  const { code, stdout, stderr } = await runCli([]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  for (const command of COMMANDS) expect(stderr).toContain(`\n  ${command} `);
});

test('--version is the version of the package', async () => {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  expect(await runCli(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});

describe.each(COMMANDS)('help on %s', (command) => {
  test('shows usage and examples, however it is asked', async () => {
    const [flag, word] = await Promise.all([runCli([command, '--help']), runCli(['help', command])]);
    expect(flag.code).toBe(0);
    expect(flag.stdout).toContain(`Usage: pilotfish ${command}`);
    expect(flag.stdout).toMatch(new RegExp(`Examples:\n  .*pilotfish ${command}`));
    expect(word).toEqual(flag);
  });
});

describe('bad input ends with code 2 and a line for each problem', () => {
  test.each([
    [
      ['nope'],
      'expected one of: sidecar, ls, watch, resolve, explain, status, drain, undrain, maintenance, force, weight, reload, heartbeat, help, --version, got "nope", at the first argument',
    ],
    [['ls', '--what'], 'expected one of: --registry, --timeout, --json, got "--what", at --what'],
    [['ls', 'a', 'b'], 'expected no such argument, got "b", at argument 2'],
    [['ls', '../x'], /^expected a name of .+, got "\.\.\/x", at service$/],
    [['ls', '--registry', 'nope:'], /^expected a URL that starts with .+, got "nope:", at registry$/],
    [['ls', '--registry', 'local:', '--registry', 'local:'], 'expected one registry, got 2, at --registry'],
    [['ls', '--timeout', '5'], 'expected a duration such as "500ms" or "5s", got "5", at --timeout'],
    [['watch'], 'expected a service, got nothing, at service'],
    [
      ['resolve', 'a', '--timeout', 'x'],
      'expected a duration such as "500ms" or "5s", got "x", at --timeout',
    ],
    [['heartbeat', 'a', 'maybe'], 'expected one of: pass, warn, fail, got "maybe", at status'],
    [
      ['heartbeat', 'a', '--admin', 'ftp://x'],
      'expected host:port, its URL or unix:/path, got "ftp://x", at --admin',
    ],
    [['sidecar', '--service', 'a', '--port', '99999'], /^expected a whole number .+, got 99999, at --port$/],
  ])('%j', async (args, line) => {
    const { code, stdout, stderr } = await runCli(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.replace(/^pilotfish: /, '').trimEnd()).toMatch(
      line instanceof RegExp ? line : exactly(line),
    );
  });

  test('several problems are several lines', async () => {
    const { stderr } = await runCli(['sidecar', '--port', '0', '--rise', 'x']);
    expect(
      stderr
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/^.* at /, '')),
    ).toEqual(['--rise', '--service', '--port']);
  });
});

function exactly(text: string): RegExp {
  return new RegExp(`^${text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`);
}

describe('arguments', () => {
  const options = { name: { type: 'string' }, all: { type: 'boolean' } } as const;

  test.each([
    [['--name', 'x', '--all', 'pos'], { flags: { name: 'x', all: true }, positionals: ['pos'] }],
    [['--name=--x'], { flags: { name: '--x' }, positionals: [] }],
    [['--name', '-1'], { flags: { name: '-1' }, positionals: [] }],
    [['--', '--all'], { flags: {}, positionals: ['--all'] }],
  ])('%j', (args, expected) => {
    const { flags, positionals } = parseArguments(args, options, ['[pos]']);
    expect({ flags: { ...flags }, positionals }).toEqual(expected);
  });

  test.each([
    [['--name'], ['expected a value, got nothing, at --name']],
    [['--name='], ['expected a value, got nothing, at --name']],
    [['--name', '--all'], ['expected a value, got "--all", at --name']],
    [['--all=yes'], ['expected no value, got "yes", at --all']],
    [
      ['--nmae', 'x', '--all=1', 'y'],
      [
        'expected one of: --name, --all, got "--nmae", at --nmae',
        'expected no value, got "1", at --all',
        'expected no such argument, got "x", at argument 1',
        'expected no such argument, got "y", at argument 2',
      ],
    ],
    [['-x'], ['expected one of: --name, --all, got "-x", at -x']],
  ])('%j is refused', (args, lines) => {
    const parsing = (): unknown => parseArguments(args, options);
    expect(parsing).toThrow(BadInputError);
    expect(parsing).toThrow(lines.join('\n'));
  });
});

describe('output', () => {
  function written(isTTY: boolean, noColor?: string): string {
    let text = '';
    const write = (part: string): void => {
      text += part;
    };
    const output = outputTo({ write, isTTY }, noColor);
    output.line(output.paint.red('x'));
    output.json({ a: 1 });
    return text;
  }

  test('is coloured and indented on a terminal', () => {
    expect(written(true)).toBe('\u001b[31mx\u001b[0m\n{\n  "a": 1\n}\n');
  });

  test('is plain where NO_COLOR asks for it', () => {
    expect(written(true, '1')).toBe('x\n{\n  "a": 1\n}\n');
    expect(written(true, '')).toContain('\u001b[31m');
  });

  test('is plain and one line a document in a pipe', () => {
    expect(written(false)).toBe('x\n{"a":1}\n');
  });

  test('a table is as wide as it must be', () => {
    expect(
      tableLines([
        ['ID', 'X'],
        ['long-id', ''],
        ['b', 'yy'],
      ]),
    ).toEqual(['ID       X', 'long-id', 'b        yy']);
  });
});

test('the first signal asks, the second ends at once, and none is heard after the release', () => {
  const target = new EventEmitter();
  let ended = 0;
  const { signal, release } = stopSignals(target, () => ended++);
  expect(signal.aborted).toBe(false);
  target.emit('SIGTERM', 'SIGTERM');
  expect([signal.aborted, ended]).toEqual([true, 0]);
  target.emit('SIGINT', 'SIGINT');
  expect(ended).toBe(1);
  release();
  expect(target.listenerCount('SIGINT') + target.listenerCount('SIGTERM')).toBe(0);
});
