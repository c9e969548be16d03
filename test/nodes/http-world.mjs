/**
 * HTTP servers that are listed as instances of `orders`, and a caller whose policy writes down every pick and its end. By
 * what the package exports alone, and in plain JavaScript, because every Node that pilotfish supports runs it.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, roundRobin } from 'pilotfish';
import { openWritable, parseInstance } from 'pilotfish/registry';

const PATIENCE_MS = 10_000;

/**
 * Runs the check in a world of its own, in which every pick has to end.
 * @param {(world: World) => Promise<void>} check
 */
export async function withWorld(check) {
  const folder = await mkdtemp(join(tmpdir(), 'pilotfish-node-'));
  const url = `local:${folder}`;
  const recorder = new Recorder();
  const [registry, discovery] = await Promise.all([openWritable(url), connect(url, { policy: recorder })]);
  const world = new World(registry, discovery, recorder);
  try {
    await check(world);
    await until('every pick has ended', () => recorder.ends.length === recorder.picks);
  } finally {
    await world.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Round-robin with a memory. */
class Recorder {
  picks = 0;
  /** @type {import('pilotfish').Outcome[]} */
  ends = [];
  #policy = roundRobin();

  /** @type {import('pilotfish').Policy['build']} */
  build = (candidates, previous, context) => {
    const picker = this.#policy.build(candidates, previous, context);
    return { pick: (request) => this.#noted(picker.pick(request)) };
  };

  /** @param {import('pilotfish').Pick | undefined} pick */
  #noted(pick) {
    if (pick === undefined) return undefined;
    this.picks++;
    const { instance, endpoint } = pick;
    return {
      instance,
      endpoint,
      done: (/** @type {import('pilotfish').Outcome} */ outcome) => this.ends.push(outcome),
    };
  }
}

class World {
  /** @type {import('node:http').Server[]} */
  #servers = [];
  #registry;
  discovery;
  recorder;

  /**
   * @param {import('pilotfish/registry').Registry} registry
   * @param {import('pilotfish').Discovery} discovery
   * @param {Recorder} recorder
   */
  constructor(registry, discovery, recorder) {
    this.#registry = registry;
    this.discovery = discovery;
    this.recorder = recorder;
  }

  /**
   * A server, listed under `id` when this resolves.
   * @param {string} id
   * @param {import('node:http').RequestListener} listener
   * @param {import('node:http').Server} [server]
   */
  async serve(id, listener, server = createServer()) {
    server.on('request', listener).listen(0, '127.0.0.1');
    this.#servers.push(server);
    await once(server, 'listening');
    const address = /** @type {import('node:net').AddressInfo} */ (server.address());
    await this.list(id, address.port);
  }

  /**
   * @param {string} id
   * @param {number} port
   */
  async list(id, port) {
    const parsed = parseInstance({ service: 'orders', id, host: '127.0.0.1', port });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
    await this.#registry.register(parsed.value);
    const orders = this.discovery.service('orders');
    await until(`${id} is listed`, () => orders.snapshot?.instances.some((each) => each.id === id) === true);
  }

  /** Answers with its id and what it was sent. */
  async echo(id = 'a') {
    await this.serve(id, async (request, response) => {
      response.end(`${id}:${Buffer.concat(await request.toArray())}`);
    });
  }

  async close() {
    await this.discovery.close();
    await this.#registry.close();
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
  }
}

/**
 * Resolves as soon as the condition holds.
 * @param {string} what
 * @param {() => boolean} condition
 */
export async function until(what, condition) {
  const limit = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (performance.now() > limit) throw new Error(`not seen within ${PATIENCE_MS} ms: ${what}`);
    await delay(5);
  }
}
