/**
 * One of three services is killed while a caller sends 200 requests a second through the dispatcher as it is by default. The
 * registry is a file that goes on listing all three, so nothing helps but the caller's own means.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connect, type Discovery } from '../../resolver/index.js';
import { freePorts } from '../servers/ports.js';
import { ServiceProcess } from './instance.js';

const PER_SECOND = 200;
const PART_MS = 1_500;
/** One request in seven is still in flight when its service dies. */
const SLOW_EVERY = 7;
const SLOW_MS = 200;

let directory: string;
let discovery: Discovery;
let services: ServiceProcess[];
let ports: readonly number[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pilotfish-kill-'));
  ports = await freePorts(2);
  services = await Promise.all(ports.map((port) => ServiceProcess.start(port)));
  const file = join(directory, 'endpoints.json');
  const instances = ports.map((port, at) => ({ id: `i${at}`, host: '127.0.0.1', port }));
  await writeFile(file, JSON.stringify({ orders: instances }));
  discovery = await connect(`static:${file}`, { addresses: { allowLoopback: true } });
});

afterEach(async () => {
  await discovery.close();
  await Promise.all(services.map((service) => service.signal('SIGKILL')));
  await rm(directory, { recursive: true });
});

/** Sends by the clock until it is stopped; resolves then with how many there were, and why some failed. */
function load(): { stop(): Promise<{ readonly sent: number; readonly failures: readonly string[] }> } {
  const dispatcher = discovery.dispatcher();
  const startedAt = performance.now();
  const failures: string[] = [];
  const unfinished: Promise<void>[] = [];
  const send = async (ms: number): Promise<void> => {
    try {
      const { statusCode, body } = await request(`http://orders/?ms=${ms}`, { dispatcher });
      await body.dump();
      if (statusCode !== 200) failures.push(`status ${statusCode}`);
    } catch (error) {
      failures.push(String(error));
    }
  };
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1_000) * PER_SECOND;
    while (unfinished.length < due) unfinished.push(send(unfinished.length % SLOW_EVERY === 0 ? SLOW_MS : 0));
  }, 5);
  return {
    stop: async () => {
      clearInterval(timer);
      await Promise.all(unfinished);
      return { sent: unfinished.length, failures };
    },
  };
}

test('a service that is killed, and comes back, costs no request', async ({ annotate }) => {
  const caller = load();
  await delay(PART_MS);
  await services[1]?.signal('SIGKILL');
  await delay(PART_MS);
  services[1] = await ServiceProcess.start(ports[1] ?? 0);
  await delay(PART_MS);
  const { sent, failures } = await caller.stop();
  const { retries, outcomes } = discovery.status()[0] ?? {};
  await annotate(`${sent} requests, ${failures.length} failed, ${retries?.retries} sent again`);
  expect(failures).toEqual([]);
  expect(sent).toBeGreaterThan((2.5 * PART_MS * PER_SECOND) / 1_000);
  expect(retries?.retries).toBeGreaterThan(0);
  const ejections = Object.values(outcomes?.ejections ?? {}).reduce((sum, count) => sum + count, 0);
  expect(ejections).toBeGreaterThan(0);
}, 60_000);
