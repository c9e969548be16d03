/** A sidecar that has run out of something itself says `unknown`, whatever the probe: no healthy service is blamed. */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../runtime/clock.js';
import type { ProbeConfig } from '../../sidecar/config/config.js';
import { createProbe } from '../../sidecar/probes/create.js';
import { type Network, systemNetwork } from '../../sidecar/probes/dial.js';
import type { Probe } from '../../sidecar/probes/probe.js';
import { OWN_FAULTS, verdictOf } from '../../sidecar/probes/verdict.js';
import { execConfig, grpcConfig, httpConfig, tcpConfig, track, udpConfig } from './support.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const { signal } = new AbortController();

function fault(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code });
}

/** Nothing can be opened any more. */
function exhausted(code: string): Network {
  return {
    ...systemNetwork,
    connect: () => {
      const socket = new Socket();
      process.nextTick(() => socket.destroy(fault(code)));
      return socket;
    },
    datagrams: (family) => {
      const socket = createSocket(family);
      process.nextTick(() => socket.emit('error', fault(code)));
      return socket;
    },
  };
}

const OVER_THE_NETWORK: readonly ProbeConfig[] = [tcpConfig(9), httpConfig(9), grpcConfig(9), udpConfig(9)];

describe.each(OVER_THE_NETWORK)('a $type probe', (config) => {
  test.each(OWN_FAULTS)('does not blame the service for %s', async (code) => {
    const probe = await createProbe(config, { clock: systemClock, network: exhausted(code) });
    expect(await probe.check(signal)).toMatchObject({
      status: 'unknown',
      reason: `could not check: connect ${code}`,
    });
  });
});

test.each(OWN_FAULTS)('%s as a program was to be started is no verdict', (code) => {
  expect(verdictOf(Object.assign(new Error(`spawn check ${code}`), { code })).status).toBe('unknown');
});

test.each(['ECONNREFUSED', 'EHOSTUNREACH', 'ENOENT', 'EACCES'])('%s is a failure', (code) => {
  expect(verdictOf(fault(code)).status).toBe('failing');
});

/** A service that all types of probe find well, and one of each. */
async function everyProbe(): Promise<readonly Probe[]> {
  const http = await track(createHttpServer((_request, response) => response.end()));
  const grpc = await track(
    createHttp2Server().on('stream', (stream) => {
      stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.of(0, 0, 0, 0, 2, 8, 1));
    }),
  );
  const udp = createSocket('udp4').bind(0, '127.0.0.1');
  udp.on('message', (_question, { port, address }) => udp.send('pong', port, address));
  await once(udp, 'listening');
  closers.push(http.close, grpc.close, () => udp.close());
  const timeoutMs = 10_000;
  const configs = [
    tcpConfig(http.port, { timeoutMs }),
    httpConfig(http.port, { timeoutMs }),
    grpcConfig(grpc.port, { timeoutMs }),
    udpConfig(udp.address().port, { timeoutMs }),
    execConfig(['true'], { timeoutMs }),
  ];
  return Promise.all(configs.map((config) => createProbe(config, { clock: systemClock })));
}

async function statuses(probes: readonly Probe[]): Promise<Readonly<Record<string, string>>> {
  const results: Record<string, string> = {};
  for (const probe of probes) results[probe.type] = (await probe.check(signal)).status;
  return results;
}

/** Lowers the limit of descriptors of this process and takes every one that is left. */
function takeAllDescriptors(): () => void {
  const prlimit = (soft: string): string =>
    execFileSync('prlimit', ['--pid', `${process.pid}`, `--nofile=${soft}:`], { encoding: 'utf8' });
  const before = execFileSync('prlimit', [
    '--pid',
    `${process.pid}`,
    '--nofile',
    '-o',
    'SOFT',
    '--noheadings',
  ]);
  const taken: number[] = [];
  prlimit('256');
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'));
  } catch (error) {
    expect(error).toMatchObject({ code: 'EMFILE' });
  }
  return () => {
    for (const descriptor of taken) closeSync(descriptor);
    prlimit(String(before).trim());
  };
}

test('without one descriptor left no probe knows anything; with some, all pass again', async () => {
  const probes = await everyProbe();
  const all = (status: string): object =>
    Object.fromEntries(['tcp', 'http', 'grpc', 'udp', 'exec'].map((type) => [type, status]));
  expect(await statuses(probes)).toEqual(all('passing'));
  const giveBack = takeAllDescriptors();
  try {
    expect(await statuses(probes)).toEqual(all('unknown'));
  } finally {
    giveBack();
  }
  expect(await statuses(probes)).toEqual(all('passing'));
});
