/** What serves the requests of `http.ts`: three that are well, and one of each kind that is not. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { CloseStack } from '../runtime/close-stack.js';
import { freePorts } from '../test/servers/ports.js';
import { haproxy, nginx, type WebKind } from '../test/servers/web-program.js';
import { startWebServer } from '../test/servers/web-server.js';
import type { Side } from './cores.js';
import { failingConfig, wellConfig } from './http-configs.js';
import type { Third } from './http-scenarios.js';

const SLOW_MS = 50;

/** `host:port` of the three in each scenario, the first two always the same. */
export type Backends = Readonly<Record<Third, readonly string[]>>;

export async function startBackends(side: Side, closers: CloseStack): Promise<Backends> {
  const [first, ...others] = await freePorts(4);
  const [second, third, failing, slow] = others as [number, number, number, number];
  const well = [first, second, third];
  await start(nginx, wellConfig(well), well);
  await start(haproxy, failingConfig(failing), [failing]);
  await startSlow(slow, side, closers);
  const withThird = (port: number): readonly string[] => [first, second, port].map(addressOf);
  return { well: withThird(third), slow: withThird(slow), failing: withThird(failing) };

  async function start(kind: WebKind, config: string, ports: readonly number[]): Promise<void> {
    const server = await startWebServer(kind, { config, ports, as: side.command });
    closers.defer(() => server.stop());
  }
}

/** nginx cannot wait. At 64 requests in flight it is asked for less than 1,300 a second, so Node is fast enough. */
async function startSlow(port: number, side: Side, closers: CloseStack): Promise<void> {
  const program = new URL('./http-slow-backend.js', import.meta.url);
  const child = fork(program, [`${port}`, `${SLOW_MS}`], side.fork);
  const exit = once(child, 'exit');
  closers.defer(async () => {
    if (child.connected) child.disconnect();
    await exit;
  });
  const early = exit.then(() => Promise.reject(new Error('the slow backend ended while starting')));
  await Promise.race([once(child, 'message'), early]);
  early.catch(() => {});
}

function addressOf(port: number): string {
  return `127.0.0.1:${port}`;
}
