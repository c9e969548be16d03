/** `pilotfish sidecar`: the daemon in the foreground, or a look at its configuration. */
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { type LoadedConfig, loadConfig } from '../../sidecar/config/load.js';
import { CONFIG_ENV, repeats, SETTINGS, type Setting } from '../../sidecar/config/settings.js';
import { type FlagOptions, parseArguments } from '../arguments.js';
import { type Command, type ExitCode, OK, type Surroundings } from '../command.js';
import { aborted } from '../signals.js';

const FLAGS: FlagOptions = {
  config: { type: 'string' },
  ...Object.fromEntries(
    SETTINGS.map((setting) => [setting.flag, { type: 'string', multiple: repeats(setting) }]),
  ),
  'check-config': { type: 'boolean' },
  'print-config': { type: 'boolean' },
  json: { type: 'boolean' },
};

export const command: Command = {
  help: `Probe a service and keep it in the registry exactly while it is healthy.

Usage: pilotfish sidecar --service NAME --port N [options]
       pilotfish sidecar --config FILE [options]

${SETTINGS.map(settingHelp).join('\n')}

${helpLine('--config FILE', 'YAML or JSON; flags and environment win over it')}
${helpLine('--check-config', 'print "ok", or everything that is wrong, and exit')}
${helpLine('--print-config', 'print the effective configuration and exit; secrets are left out')}
${helpLine('--json', 'with --print-config or --check-config: JSON')}

Every option is an environment variable as well: --start-grace is PILOTFISH_START_GRACE, --config is ${CONFIG_ENV}.
Several values in one variable are separated by commas, registry URLs by spaces. An empty variable is not set.

Examples:
  pilotfish sidecar --service orders --port 8080
  pilotfish sidecar --service orders --port 8080 --probe http:/health --registry zookeeper://10.0.0.1:2181
  pilotfish sidecar --service batch --port 9000 --probe ttl:30s --tag nightly --meta team=data
  pilotfish sidecar --config sidecar.yaml --check-config

SIGTERM and SIGINT deregister, confirm and exit 0; a second one exits at once with 1.
`,
  run: async (args, surroundings) => {
    const { flags } = parseArguments(args, FLAGS);
    const loaded = await loadConfig({
      flags,
      env: surroundings.env,
      readFile: (path) => readFile(path, 'utf8'),
      hostname: hostname(),
    });
    for (const warning of loaded.warnings) surroundings.stderr.line(`pilotfish: warning: ${warning}`);
    const asJson = flags.json === true;
    if (flags['check-config'] === true) return checked(loaded, asJson, surroundings);
    if (flags['print-config'] === true) return printed(loaded, asJson, surroundings);
    return runUntilStopped(loaded, surroundings);
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

/** Whatever stops it, the sidecar deregisters and confirms that before the process ends. */
async function runUntilStopped({ config }: LoadedConfig, { stop }: Surroundings): Promise<ExitCode> {
  const { startSidecar } = await import('../../sidecar/daemon.js');
  const sidecar = await startSidecar(config);
  await aborted(stop);
  await sidecar.close();
  return OK;
}
