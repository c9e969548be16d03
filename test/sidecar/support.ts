/** What the sidecar's tests share: probe configurations with defaults, small servers, and waiting for a condition. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import type {
  ExecProbeConfig,
  GrpcProbeConfig,
  HttpProbeConfig,
  ProbeSchedule,
  TcpProbeConfig,
  TtlProbeConfig,
  UdpProbeConfig,
} from '../../sidecar/config/config.js';
import { freePorts } from '../servers/ports.js';

const SCHEDULE: ProbeSchedule = {
  name: 'probe',
  intervalMs: 1000,
  fastIntervalMs: 1000,
  jitter: 0,
  // Of no test that does not give another; a busy machine may take its time.
  timeoutMs: 60_000,
  rise: 1,
  fall: 1,
  startGraceMs: 0,
  advisory: false,
};

export function schedule(overrides: Partial<ProbeSchedule> = {}): ProbeSchedule {
  return { ...SCHEDULE, ...overrides };
}

export function tcpConfig(port: number, overrides: Partial<TcpProbeConfig> = {}): TcpProbeConfig {
  return {
    ...SCHEDULE,
    type: 'tcp',
    name: 'tcp',
    host: '127.0.0.1',
    port,
    resolve: false,
    hold: false,
    ...overrides,
  };
}

export function httpConfig(port: number, overrides: Partial<HttpProbeConfig> = {}): HttpProbeConfig {
  return {
    ...SCHEDULE,
    type: 'http',
    name: 'http',
    host: '127.0.0.1',
    port,
    resolve: false,
    hold: false,
    path: '/health',
    method: 'GET',
    headers: {},
    expectStatus: [{ from: 200, to: 299 }],
    expectBody: undefined,
    tls: undefined,
    ...overrides,
  };
}

export function grpcConfig(port: number, overrides: Partial<GrpcProbeConfig> = {}): GrpcProbeConfig {
  return {
    ...tcpConfig(port),
    type: 'grpc',
    name: 'grpc',
    service: '',
    tls: undefined,
    ...overrides,
  };
}

export function udpConfig(port: number, overrides: Partial<UdpProbeConfig> = {}): UdpProbeConfig {
  return {
    ...SCHEDULE,
    type: 'udp',
    name: 'udp',
    host: '127.0.0.1',
    port,
    resolve: false,
    send: 'ping',
    expect: 'pong',
    ...overrides,
  };
}

/** Of the program and its arguments. */
export function execConfig(
  command: ExecProbeConfig['command'],
  overrides: Partial<ExecProbeConfig> = {},
): ExecProbeConfig {
  const subject = { service: 'orders', id: 'orders-1', port: 8080 };
  return { ...SCHEDULE, type: 'exec', name: 'exec', command, subject, ...overrides };
}

export function ttlConfig(overrides: Partial<TtlProbeConfig> = {}): TtlProbeConfig {
  return { ...SCHEDULE, type: 'ttl', name: 'ttl', ttlMs: 10_000, ...overrides };
}

export interface TestServer {
  readonly port: number;
  /** Connections open now. */
  readonly open: () => number;
  readonly close: () => Promise<void>;
}

/** Listens on a free port and keeps track of every connection, so that closing leaves none. */
export async function serve(onConnection: (socket: Socket) => void, host = '127.0.0.1'): Promise<TestServer> {
  return track(createServer(onConnection), host);
}

/** The same for a server of any kind. */
export async function track(server: Server, host = '127.0.0.1'): Promise<TestServer> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    open: () => sockets.size,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

export interface HttpProcess {
  readonly port: number;
  readonly process: ChildProcess;
}

/** An HTTP server in a process of its own. Whoever starts it ends it. */
export async function startHttpProcess(): Promise<HttpProcess> {
  const script = `const s = require('http').createServer((q, r) => r.end('ok'));
    s.listen(0, '127.0.0.1', () => console.log(s.address().port));`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(child.stdout, 'data');
  return { port: Number(String(line)), process: child };
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  return (await freePorts(0))[0];
}

/** Much longer than anything takes on a machine that has other work. */
const LIMIT_MS = 20_000;

/** Resolves when `condition` holds; rejects when it does not within the limit. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
