/** An agent that says what a test tells it to, over real HTTP, and counts who asks. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Script = (request: IncomingMessage, response: ServerResponse, count: number) => void;

export class FakeAgent {
  /** Path and query of every request, in order. */
  readonly asked: string[] = [];
  script: Script;
  readonly #server: Server;

  private constructor(script: Script) {
    this.script = script;
    this.#server = createServer((request, response) => {
      this.asked.push(request.url ?? '');
      this.script(request, response, this.asked.length);
    });
  }

  static async start(script: Script): Promise<FakeAgent> {
    const fake = new FakeAgent(script);
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get url(): string {
    return `consul://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A list as `/v1/health/service/<name>` gives it, one passing entry for each id. */
export function healthOf(...ids: readonly string[]): object[] {
  return ids.map((id) => ({
    Node: { Node: 'n1', Address: '10.0.0.1' },
    Service: { ID: id, Service: 'orders', Address: '10.0.0.2', Port: 8080 },
    Checks: [{ CheckID: `service:${id}`, Status: 'passing' }],
  }));
}

/** Answers 200 with JSON; the index is left out when undefined. */
export function answer(response: ServerResponse, json: unknown, index?: number | string, more = {}): void {
  const headers = { 'content-type': 'application/json', ...more };
  response.writeHead(200, index === undefined ? headers : { ...headers, 'x-consul-index': String(index) });
  response.end(JSON.stringify(json));
}
