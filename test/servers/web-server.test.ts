/** nginx and HAProxy with configurations of a test's own: they serve, they end, and they say why they cannot start. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nginxConfig } from './nginx-config.js';
import { freePorts } from './ports.js';
import { haproxy, nginx, type WebKind } from './web-program.js';
import { startWebServer, type WebServer } from './web-server.js';

const CONFIGS = {
  nginx: (port: number) =>
    nginxConfig(`server { listen 127.0.0.1:${port}; location / { return 200 "it serves"; } }`),
  haproxy: (port: number) => `
defaults
  mode http
  timeout client 5s
listen it
  bind 127.0.0.1:${port}
  http-request return status 200 content-type text/plain string "it serves"
`,
};

describe.each([nginx, haproxy])('$name', (kind: WebKind) => {
  let port: number;
  let server: WebServer;
  beforeAll(async () => {
    [port] = await freePorts(0);
    server = await startWebServer(kind, { config: CONFIGS[kind.name](port), ports: [port] });
  }, 300_000);
  afterAll(() => server?.stop());

  it('serves as one process, and nothing serves after its end', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/`);
    expect(await response.text()).toBe('it serves');
    await server.stop();
    await server.stop();
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  });

  it('says what it printed when it does not start', async () => {
    const start = startWebServer(kind, { config: 'nonsense here;', ports: [port] });
    await expect(start).rejects.toThrow(new RegExp(`${kind.name} ended with code 1.*nonsense`, 's'));
  });
});
