/** `pilotfish sidecar`: the daemon in the foreground, with a command that it starts or alone; or its configuration. */
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { type LoadedConfig, loadConfig } from '../../sidecar/config/load.js';
import { CONFIG_ENV, repeats, SETTINGS, type Setting } from '../../sidecar/config/settings.js';
import { CommandNotStarted } from '../../sidecar/supervise/child.js';
import { childEnvironment, flagsWithPort } from '../../sidecar/supervise/environment.js';
import type { CommandToRun, Host } from '../../sidecar/supervise/run.js';
import { superviseSettings } from '../../sidecar/supervise/settings.js';
import { type FlagOptions, parseArguments, splitAtDashes } from '../arguments.js';
import { type Command, type ExitCode, OK, type Surroundings } from '../command.js';
import { onHangUp, passSignalsOn, stoppedBy } from '../signals.js';

const STDOUT_FD = 1;
const STDERR_FD = 2;

const FLAGS: FlagOptions = {
  config: { type: 'string' },
  ...Object.fromEntries(
    SETTINGS.map((setting) => [setting.flag, { type: 'string', multiple: repeats(setting) }]),
  ),
  'check-config': { type: 'boolean' },
  'print-config': { type: 'boolean' },
  json: { type: 'boolean' },
  restart: { type: 'string' },
  'stop-timeout': { type: 'string' },
};

export const command: Command = {
  help: `Probe a service and keep it in the registry exactly while it is healthy.

Usage: pilotfish sidecar --service NAME --port N [options]
       pilotfish sidecar --config FILE [options]
       pilotfish sidecar [options] -- COMMAND [ARGUMENT…]

${SETTINGS.map(settingHelp).join('\n')}

${helpLine('--config FILE', 'YAML or JSON; flags and environment win over it')}
${helpLine('--check-config', 'print "ok", or everything that is wrong, and exit')}
${helpLine('--print-config', 'print the effective configuration and exit; secrets are left out')}
${helpLine('--json', 'with --print-config or --check-config: JSON')}

With a command after "--", the sidecar starts it and the two end together. Its input and output are passed through; the
sidecar's own log goes to standard error. PORT is given to it from --port, or gives the port where nothing else does.

    --restart POLICY      never, on-failure or always, when the command ends by itself (default never)
    --stop-timeout D      from the signal that ends the command to SIGKILL for its process group (default 10s)

Every other option is an environment variable as well: --start-grace is PILOTFISH_START_GRACE, --config is ${CONFIG_ENV}.
Several values in one variable are separated by commas, registry URLs by spaces. An empty variable is not set.

Examples:
  pilotfish sidecar --service orders --port 8080
  pilotfish sidecar --service orders --port 8080 --probe http:/health --registry zookeeper://10.0.0.1:2181
  pilotfish sidecar --service batch --port 9000 --probe ttl:30s --tag nightly --meta team=data
  pilotfish sidecar --service orders --port 8080 --probe http:/health -- node server.js
  pilotfish sidecar --config sidecar.yaml --check-config

SIGTERM and SIGINT drain: the registry says that the service drains, then it is deregistered, that is confirmed, and what
is in flight gets its time; then the sidecar exits with 0. A second signal exits at once with 1. A command is sent the
signal after the drain, and its exit code is the sidecar's: 128 and the number of the signal if one ended it, 127 if
there is no such program, 126 if it cannot be run. SIGHUP, SIGUSR1 and SIGUSR2 are passed on to it; without a command
SIGHUP reloads the configuration.
`,
  run: async (args, surroundings) => {
    const { own, command } = splitAtDashes(args);
    const { flags } = parseArguments(own, FLAGS);
    const { env } = surroundings;
    const settings = superviseSettings(flags, command);
    const load = (): Promise<LoadedConfig> =>
      loadConfig({
        flags: settings === undefined ? flags : flagsWithPort(flags, env),
        env,
        readFile: (path) => readFile(path, 'utf8'),
        hostname: hostname(),
      });
    const loaded = await load();
    for (const warning of loaded.warnings) surroundings.stderr.line(`pilotfish: warning: ${warning}`);
    const asJson = flags.json === true;
    if (flags['check-config'] === true) return checked(loaded, asJson, surroundings);
    if (flags['print-config'] === true) return printed(loaded, asJson, surroundings);
    if (settings === undefined) return runUntilStopped(loaded, hostOf(surroundings, STDOUT_FD, load));
    const toRun: CommandToRun = { ...settings, env: (config) => childEnvironment(flags, env, config) };
    return runUntilEnded(loaded, toRun, surroundings, load);
  },
};

function settingHelp(setting: Setting): string {
  return helpLine(`--${setting.flag} ${setting.value}`, setting.help);
}

function helpLine(usage: string, help: string): string {
  return `  ${usage.padEnd(20)}  ${help}`;
}

/** Reached only when nothing is wrong; whatever is, was thrown. */
function checked({ warnings }: LoadedConfig, asJson: boolean, { stdout }: Surroundings): ExitCode {
  if (asJson) stdout.json({ ok: true, warnings });
  else stdout.line('ok');
  return OK;
}

async function printed(
  { config }: LoadedConfig,
  asJson: boolean,
  { stdout }: Surroundings,
): Promise<ExitCode> {
  const { printJson, printYaml } = await import('../../sidecar/config/print.js');
  stdout.write(asJson ? printJson(config) : printYaml(config));
  return OK;
}

/** Whatever stops it, the sidecar drains and deregisters, and has that confirmed, before the process ends. */
async function runUntilStopped(loaded: LoadedConfig, host: Host): Promise<ExitCode> {
  const { runAlone } = await import('../../sidecar/supervise/run.js');
  await runAlone(loaded, host);
  return OK;
}

/** The log goes to standard error: standard output is the command's, whose readers expect nothing else in it. */
async function runUntilEnded(
  loaded: LoadedConfig,
  command: CommandToRun,
  surroundings: Surroundings,
  load: Host['load'],
): Promise<ExitCode> {
  const { runWithCommand } = await import('../../sidecar/supervise/run.js');
  try {
    return await runWithCommand(loaded, command, hostOf(surroundings, STDERR_FD, load));
  } catch (error) {
    if (!(error instanceof CommandNotStarted)) throw error;
    surroundings.stderr.line(`pilotfish: ${error.message}`);
    return error.exitCode;
  }
}

function hostOf({ env, stop }: Surroundings, logFd: number, load: Host['load']): Host {
  return {
    pid: process.pid,
    env,
    stop,
    stopSignal: () => stoppedBy(stop),
    logFd,
    load,
    onReload: (reload) => onHangUp(process, reload),
    onPassedSignal: (deliver) => passSignalsOn(process, deliver),
    onExit: (callback) => {
      process.once('exit', callback);
      return () => process.off('exit', callback);
    },
  };
}
