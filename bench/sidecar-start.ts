/** How long a sidecar takes from its exec to the first check, which a real HTTP service sees arrive as a request. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../runtime/clock.js';
import {
  type Contender,
  formatSpread,
  interleave,
  ratios,
  report,
  type Spread,
  spreadOf,
} from './harness.js';
import { progress } from './progress.js';
import { end, requestScript, startNode, startSidecar } from './sidecar-process.js';

const NAMES = ['bare node, one request', 'sidecar, http probe'] as const;
type Name = (typeof NAMES)[number];

interface Row {
  readonly contender: Name;
  readonly milliseconds: Spread;
  readonly timesBare: Spread;
}

/** @param registry the URL of a registry of the bench's own. */
export async function benchStart(registry: string, rounds: number): Promise<void> {
  progress(`starting a sidecar, ${rounds} rounds`);
  const service = createServer((_request, response) => response.end('ok'));
  await once(service.listen(0, '127.0.0.1'), 'listening');
  try {
    reportStart(await interleave(contenders(service, registry), rounds));
  } finally {
    service.closeAllConnections();
    service.close();
  }
}

function contenders(service: Server, registry: string): readonly Contender<number>[] {
  const { port } = service.address() as AddressInfo;
  const bare = requestScript(`http://127.0.0.1:${port}/`);
  const args = [
    ...['--registry', registry, '--service', 'bench', '--port', `${port}`, '--address', '127.0.0.1'],
    // Jitter would delay the first check on purpose, by up to its share of the interval.
    ...['--probe', 'http:/', '--jitter', '0', '--admin', '127.0.0.1:0'],
  ];
  const [bareName, sidecarName] = NAMES;
  return [
    { name: bareName, run: () => untilRequest(service, () => startNode(bare)) },
    { name: sidecarName, run: () => untilRequest(service, () => startSidecar(args)) },
  ];
}

async function untilRequest(service: Server, start: () => ReturnType<typeof startNode>): Promise<number> {
  const request = once(service, 'request');
  const startedAt = systemClock.now();
  const child = start();
  const exited = once(child, 'exit').then(() => {
    throw new Error('the process ended before its first request');
  });
  try {
    await Promise.race([request, exited]);
    return systemClock.now() - startedAt;
  } finally {
    await Promise.allSettled([end(child), exited]);
  }
}

function reportStart(results: ReadonlyMap<string, readonly number[]>): void {
  const times = (name: Name): readonly number[] => results.get(name) as readonly number[];
  const [bare] = NAMES;
  report<Row>(
    'sidecar, from exec to the first check seen by the service; median (min-max)',
    [
      { title: 'contender', text: ({ contender }) => contender },
      { title: 'ms', text: ({ milliseconds }) => formatSpread(milliseconds, 0) },
      { title: 'x bare', text: ({ timesBare }) => formatSpread(timesBare) },
    ],
    NAMES.map((contender) => ({
      contender,
      milliseconds: spreadOf(times(contender)),
      timesBare: spreadOf(ratios(times(contender), times(bare))),
    })),
  );
}
