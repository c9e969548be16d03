/**
 * The settings that flags and environment know, under the names they have in the file: `startGrace` there is
 * `--start-grace` and `PILOTFISH_START_GRACE`. What repeats is plural in the file and singular outside of it.
 */
import { describe, type Problem } from '../../runtime/expected.js';

export interface Setting {
  /** The key in the file. */
  readonly key: string;
  /** Without the dashes. */
  readonly flag: string;
  readonly env: string;
  /** Whether the key is one of the file's top level or of a service. `address` is both; see `overrides.ts`. */
  readonly scope: 'top' | 'service';
  readonly form: SettingForm;
  /** How help shows its value. */
  readonly value: string;
  readonly help: string;
}

/** How text becomes the value that the file would hold; `words`, `list` and `pairs` may be given several times. */
export type SettingForm = 'text' | 'number' | 'words' | 'list' | 'pairs';

export const SETTINGS: readonly Setting[] = [
  top('registry', 'words', 'URL', 'where to register; several times for several (default local:)'),
  service('name', 'text', 'NAME', 'the name callers ask for', 'service'),
  service('port', 'number', 'N', 'the port callers are sent to'),
  service('id', 'text', 'ID', 'unique and stable (default <hostname>-<port>)'),
  service('address', 'text', 'A', 'IP, host name, interface:NAME or cidr:NET/BITS (default detected)'),
  service(
    'probes',
    'list',
    'P',
    'tcp, tcp:PORT, http:/PATH, https:/PATH, grpc or ttl:D; several times for several (default tcp)',
    'probe',
  ),
  top('interval', 'text', 'D', 'from one check to the next (default 2s)'),
  top('fastInterval', 'text', 'D', 'the same while counting towards rise or fall (default 500ms)'),
  top('jitter', 'number', 'SHARE', 'by which the interval varies (default 0.1)'),
  top('timeout', 'text', 'D', 'total deadline of one check (default 1s)'),
  top('rise', 'number', 'N', 'successes in a row until healthy (default 2)'),
  top('fall', 'number', 'N', 'failures in a row until unhealthy (default 3)'),
  top('startGrace', 'text', 'D', 'no failure counts for this long after the start (default 0s)'),
  service('weight', 'number', 'N', 'share of the traffic (default 1)'),
  service('tags', 'list', 'T', 'a tag; several times for several', 'tag'),
  service('warningWeight', 'number', 'SHARE', 'of the weight that is left while a probe warns (default 0.5)'),
  service('zone', 'text', 'Z', 'where the instance runs'),
  service('version', 'text', 'V', "the service's own version"),
  service('metadata', 'pairs', 'K=V', 'one entry of metadata; several times for several', 'meta'),
  service('heartbeatSecretFile', 'text', 'FILE', 'the secret that its heartbeats must carry (mode 600)'),
  top('drainPropagation', 'text', 'D', 'from "draining" in the registry to the removal (default 200ms)'),
  top('drainWait', 'text', 'D', 'from the removal to the end, for requests in flight (default 5s)'),
  top('drainTimeout', 'text', 'D', 'the cap over a whole drain (default 25s)'),
  top(
    'stateDir',
    'text',
    'DIR',
    'where orders of operators are kept (default $STATE_DIRECTORY or the user’s)',
  ),
  top('admin', 'text', 'HOST:PORT', 'the admin HTTP server, or unix:/PATH (default 127.0.0.1:9190)'),
  top('adminTokenFile', 'text', 'FILE', 'the token that the admin server asks for (mode 600)'),
  top('metrics', 'text', 'HOST:PORT', 'serves metrics, and nothing else, to other hosts (default nowhere)'),
  top('logLevel', 'text', 'LEVEL', 'debug, info, warn or error (default info)'),
];

/** The environment variable that names the configuration file. */
export const CONFIG_ENV = 'PILOTFISH_CONFIG';

export function repeats({ form }: Setting): boolean {
  return form === 'words' || form === 'list' || form === 'pairs';
}

/** The value as the file would hold it. Numbers that are none stay text, so that the schema reports them. */
export function settingValue(
  setting: Setting,
  texts: readonly string[],
  path: string,
  problems: Problem[],
): unknown {
  const last = texts.at(-1) ?? '';
  if (setting.form === 'text') return last;
  if (setting.form === 'number') return /^-?\d+(\.\d+)?$/.test(last) ? Number(last) : last;
  if (setting.form === 'pairs') return pairs(texts, path, problems);
  return setting.form === 'words' && texts.length === 1 ? last : [...texts];
}

/** One environment variable holds several: registry URLs apart by spaces, as they hold commas; the rest by commas. */
export function splitEnv({ form }: Setting, text: string): readonly string[] {
  if (form === 'text' || form === 'number') return [text];
  return text
    .split(form === 'words' ? /\s+/ : ',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function pairs(texts: readonly string[], path: string, problems: Problem[]): Record<string, string> {
  const result: Record<string, string> = {};
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at > 0) result[text.slice(0, at)] = text.slice(at + 1);
    else problems.push({ path, expected: 'key=value', got: describe(text) });
  }
  return result;
}

function top(key: string, form: SettingForm, value: string, help: string, flag = key): Setting {
  return setting('top', key, form, value, help, flag);
}

function service(key: string, form: SettingForm, value: string, help: string, flag = key): Setting {
  return setting('service', key, form, value, help, flag);
}

function setting(
  scope: Setting['scope'],
  key: string,
  form: SettingForm,
  value: string,
  help: string,
  name: string,
): Setting {
  const flag = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const env = `PILOTFISH_${flag.replaceAll('-', '_').toUpperCase()}`;
  return { key, flag, env, scope, form, value, help };
}
