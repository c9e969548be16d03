/** What the nginx of the backends and the two proxies are told. Pure text. */
import { nginxConfig } from '../test/servers/nginx-config.js';
import type { ProxySettings } from './http-scenarios.js';

/** What every backend that is well answers: 13 bytes. */
export const ANSWER = 'hello, world\n';
/** As a string of both configurations. */
const QUOTED = JSON.stringify(ANSWER);

/** Longer than any run: nobody closes a connection that somebody else is about to use. */
const FOR_EVER = 'keepalive_requests 1000000000; keepalive_timeout 1h;';

/** One nginx for all that are well, fast enough not to be what is measured. */
export function wellConfig(ports: readonly number[]): string {
  const answer = `location / { return 200 ${QUOTED}; }`;
  const servers = ports.map((port) => `server { listen 127.0.0.1:${port}; ${answer} }`);
  return nginxConfig(`
  ${FOR_EVER}
  default_type text/plain;
  ${servers.join('\n  ')}`);
}

/**
 * An HAProxy that answers by itself, because it can count over all connections: every fifth request fails, and never two in
 * a row, so whoever waits for failures in a row to leave it out waits for ever.
 */
export function failingConfig(port: number): string {
  return `${HAPROXY_COMMON}
listen failing
  bind 127.0.0.1:${port}
  stick-table type integer size 1 store gpc0
  http-request track-sc0 int(1)
  http-request return status 503 content-type text/plain string "not just now" if { sc0_inc_gpc0,mod(5) eq 0 }
  http-request return status 200 content-type text/plain string ${QUOTED}
`;
}

/** One thread, as nginx has. */
const HAPROXY_COMMON = `global
  nbthread 1
  maxconn 2000
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 2s
  timeout client 1h
  timeout server 1m`;

/** One port of a proxy, and where it leads. */
export interface ProxyRoute {
  readonly port: number;
  readonly backends: readonly string[];
  readonly settings: ProxySettings;
}

/** Connections on both sides are kept, to the backends as many as there are requests in flight. */
export function nginxProxyConfig(routes: readonly ProxyRoute[]): string {
  return nginxConfig(`
  ${FOR_EVER}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  ${routes.map(nginxRoute).join('\n  ')}`);
}

function nginxRoute({ port, backends, settings: { choosing = [], sending = [] } }: ProxyRoute): string {
  const servers = backends.map((address) => `server ${address};`);
  const upstream = [...choosing, ...servers, 'keepalive 64;', FOR_EVER];
  return `upstream to${port} { ${upstream.join(' ')} }
  server { listen 127.0.0.1:${port}; ${sending.join(' ')} location / { proxy_pass http://to${port}; } }`;
}

export function haproxyConfig(routes: readonly ProxyRoute[]): string {
  return `${HAPROXY_COMMON}\n${routes.map(haproxyRoute).join('')}`;
}

function haproxyRoute({ port, backends, settings: { choosing = [], sending = [] } }: ProxyRoute): string {
  const servers = backends.map((address, at) => `server backend${at} ${address}`);
  const lines = [`bind 127.0.0.1:${port}`, ...choosing, ...sending, ...servers];
  return `listen at${port}\n${lines.map((line) => `  ${line}\n`).join('')}`;
}
