/**
 * Reads where this machine gets its Debian packages from, so that the tests can use the same mirror and the
 * same keys without naming any host. Pure text in, plain data out: the two formats apt knows are the
 * one-line `.list` and the deb822 `.sources` (see `man 5 sources.list`).
 *
 * Only what a read needs is kept. `Trusted` is left out on purpose: signature checks stay on.
 */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** A key ring's path or an embedded key, written as apt has it; absent when the machine's defaults apply. */
  readonly signedBy?: string;
}

export type AptFormat = 'list' | 'sources';

export function parseAptSources(text: string, format: AptFormat): readonly AptSource[] {
  return format === 'list' ? text.split('\n').flatMap(fromLine) : stanzas(text).flatMap(fromStanza);
}

/** The machine's own main archive, asked for another suite: `base(sources, 'bookworm')` → bullseye. */
export function sourcesForSuite(
  sources: readonly AptSource[],
  codename: string,
  suite: string,
): readonly AptSource[] {
  return sources
    .filter((source) => source.suite === codename || source.suite === 'stable')
    .filter((source) => source.components.includes('main'))
    .map((source) => ({ ...source, suite }));
}

/** One deb822 stanza; the blank line that ends it included. */
export function formatAptSource(source: AptSource): string {
  const lines = [
    'Types: deb',
    `URIs: ${source.uri}`,
    `Suites: ${source.suite}`,
    `Components: ${source.components.join(' ')}`,
  ];
  if (source.signedBy !== undefined) lines.push(`Signed-By: ${source.signedBy}`);
  return `${lines.join('\n')}\n\n`;
}

const ONE_LINE = /^deb\s+(?:\[(?<options>[^\]]*)\]\s+)?(?<uri>\S+)\s+(?<suite>\S+)(?<components>.*)$/;

function fromLine(line: string): readonly AptSource[] {
  const match = ONE_LINE.exec(line.replace(/#.*$/, '').trim());
  if (!match?.groups) return [];
  const { options = '', uri = '', suite = '', components = '' } = match.groups;
  const signedBy = /(?:^|\s)signed-by=(\S+)/.exec(options)?.[1];
  return [source(uri, suite, words(components), signedBy)].filter(isOverNetwork);
}

function fromStanza(fields: ReadonlyMap<string, string>): readonly AptSource[] {
  if (!words(fields.get('types')).includes('deb') || isDisabled(fields)) return [];
  const components = words(fields.get('components'));
  const signedBy = fields.get('signed-by');
  return words(fields.get('uris'))
    .flatMap((uri) => words(fields.get('suites')).map((suite) => source(uri, suite, components, signedBy)))
    .filter(isOverNetwork);
}

function stanzas(text: string): readonly ReadonlyMap<string, string>[] {
  const uncommented = text.split('\n').filter((line) => !line.startsWith('#'));
  return uncommented
    .join('\n')
    .split(/\n\s*\n/)
    .map(fieldsOf);
}

/** A line that starts with a blank continues the field above it; an embedded key is written that way. */
function fieldsOf(stanza: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  let current = '';
  for (const line of stanza.split('\n')) {
    const start = /^([\w-]+):\s*(.*)$/.exec(line);
    if (start) current = (start[1] ?? '').toLowerCase();
    if (start) fields.set(current, start[2] ?? '');
    else if (/^\s+\S/.test(line)) fields.set(current, `${fields.get(current) ?? ''}\n${line}`);
  }
  return fields;
}

function source(
  uri: string,
  suite: string,
  components: readonly string[],
  signedBy: string | undefined,
): AptSource {
  return { uri, suite, components, ...(signedBy === undefined ? {} : { signedBy }) };
}

function isDisabled(fields: ReadonlyMap<string, string>): boolean {
  return /^(no|false|without|off|disable|0)$/i.test(fields.get('enabled')?.trim() ?? '');
}

function isOverNetwork({ uri }: AptSource): boolean {
  return !uri.startsWith('cdrom:');
}

function words(text: string | undefined): readonly string[] {
  return (text ?? '').split(/\s+/).filter((word) => word !== '');
}
