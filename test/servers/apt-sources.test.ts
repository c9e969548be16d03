import { describe, expect, it } from 'vitest';
import { formatAptSource, parseAptSources, sourcesForSuite } from './apt-sources.js';

const MIRROR = 'http://mirror.example/debian';
const KEYS = '/usr/share/keyrings/archive.gpg';

describe('the one-line format', () => {
  it.each([
    ['plain', `deb ${MIRROR} bookworm main contrib`, [{ components: ['main', 'contrib'] }]],
    ['with options', `deb [arch=amd64 signed-by=${KEYS}] ${MIRROR} bookworm main`, [{ signedBy: KEYS }]],
    ['never trusted blindly', `deb [trusted=yes] ${MIRROR} bookworm main`, [{}]],
    ['with a comment after it', `deb ${MIRROR} bookworm main # ours`, [{}]],
    ['sources', `deb-src ${MIRROR} bookworm main`, []],
    ['commented out', `# deb ${MIRROR} bookworm main`, []],
    ['a disc', 'deb cdrom:[Debian 12]/ bookworm main', []],
    ['nonsense', 'deb', []],
  ])('%s', (_, text, expected) => {
    const base = { uri: MIRROR, suite: 'bookworm', components: ['main'] };
    expect(parseAptSources(text, 'list')).toEqual(expected.map((part) => ({ ...base, ...part })));
  });
});

describe('the deb822 format', () => {
  it('gives one source for each address and suite of a stanza', () => {
    const text = `# comment
Types: deb deb-src
URIs: ${MIRROR}
# another
Suites: bookworm bookworm-updates
Components: main
Signed-By: ${KEYS}

Types: deb
URIs: http://security.example/debian
Suites: bookworm-security
Components: main
`;
    expect(parseAptSources(text, 'sources')).toEqual([
      { uri: MIRROR, suite: 'bookworm', components: ['main'], signedBy: KEYS },
      { uri: MIRROR, suite: 'bookworm-updates', components: ['main'], signedBy: KEYS },
      { uri: 'http://security.example/debian', suite: 'bookworm-security', components: ['main'] },
    ]);
  });

  it.each(['Enabled: no', 'Types: deb-src'])('leaves out a stanza with %s', (line) => {
    const text = `Types: deb\nURIs: ${MIRROR}\nSuites: bookworm\nComponents: main\n${line}\n`;
    expect(parseAptSources(text, 'sources')).toEqual([]);
  });

  it('keeps an embedded key as it was written', () => {
    const key = '\n -----BEGIN KEY-----\n .\n abc\n -----END KEY-----';
    const stanza = `Types: deb\nURIs: ${MIRROR}\nSuites: bookworm\nComponents: main\nSigned-By: ${key}\n\n`;
    const [source] = parseAptSources(stanza, 'sources');
    expect(source && formatAptSource(source)).toBe(stanza);
  });
});

describe('another suite of the machine’s mirror', () => {
  it('is the main archive alone, with its keys', () => {
    const text = `deb [signed-by=${KEYS}] ${MIRROR} bookworm main
deb ${MIRROR} bookworm-updates main
deb http://other.example/apt bookworm stable`;
    expect(sourcesForSuite(parseAptSources(text, 'list'), 'bookworm', 'bullseye')).toEqual([
      { uri: MIRROR, suite: 'bullseye', components: ['main'], signedBy: KEYS },
    ]);
  });
});
