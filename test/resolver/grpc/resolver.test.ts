/** Against the interface for name resolvers of `@grpc/grpc-js`, in both of its forms. */
import { describe, expect, it } from 'vitest';
import type {
  GrpcEndpoint,
  GrpcListener,
  GrpcListenerObject,
  GrpcResolver,
  GrpcTarget,
} from '../../../resolver/grpc/grpc-types.js';
import { type Grpc, registerGrpcResolver } from '../../../resolver/grpc/index.js';
import { fixture, settled } from '../fixture.js';
import { instance } from '../memory-registry.js';

interface ResolverClass {
  new (target: GrpcTarget, listener: GrpcListener | GrpcListenerObject, options: object): GrpcResolver;
  getDefaultAuthority(target: GrpcTarget): string;
}

/** gRPC as far as a resolver sees it. */
class FakeGrpc implements Grpc {
  readonly registered = new Map<string, ResolverClass>();
  readonly Metadata = class {};
  readonly status = { UNAVAILABLE: 14 };
  readonly experimental = {
    registerResolver: (scheme: string, resolver: unknown) => {
      this.registered.set(scheme, resolver as ResolverClass);
    },
  };

  /** A channel to `target`, which writes down what it hears. */
  channel(target: string, form: 'function' | 'object', scheme = 'pilotfish') {
    const heard: unknown[] = [];
    const endpoints = (list: readonly GrpcEndpoint[]) =>
      list.flatMap(({ addresses }) => addresses.map(({ host, port }) => `${host}:${port}`));
    const listener: GrpcListener | GrpcListenerObject =
      form === 'function'
        ? (result, _attributes, config) => {
            heard.push(result.ok ? endpoints(result.value) : result.error.details);
            if (config?.ok) heard.push(config.value.loadBalancingConfig);
            return true;
          }
        : {
            onSuccessfulResolution: (list, config) =>
              void heard.push(endpoints(list), config?.loadBalancingConfig),
            onError: ({ details }) => void heard.push(details),
          };
    const Resolver = this.registered.get(scheme) as ResolverClass;
    return { resolver: new Resolver({ scheme, path: target }, listener, {}), heard };
  }
}

const ROUND_ROBIN = [{ round_robin: {} }];

describe.each(['function', 'object'] as const)('a channel whose listener is a %s', (form) => {
  it('hears the list and each change of it, without those that take no calls', async () => {
    const { registry, discovery, clock } = await fixture();
    const grpc = new FakeGrpc();
    registerGrpcResolver(grpc, discovery);
    const a = instance({ id: 'a', port: 1 });
    registry.list([a, instance({ id: 'b', port: 2, status: 'draining' })]);
    const { resolver, heard } = grpc.channel('orders', form);
    resolver.updateResolution();
    expect(heard).toEqual([]);
    await settled(clock);
    expect(heard).toEqual([['10.0.0.1:1'], ROUND_ROBIN]);
    registry.list([a, instance({ id: 'c', port: 3 })]);
    await settled(clock);
    expect(heard.slice(2)).toEqual([['10.0.0.1:1', '10.0.0.1:3'], ROUND_ROBIN]);
    await discovery.close();
  });

  it('hears why there is no list, when it took too long', async () => {
    const { discovery, clock } = await fixture();
    const grpc = new FakeGrpc();
    registerGrpcResolver(grpc, discovery, { readyTimeoutMs: 500 });
    const { resolver, heard } = grpc.channel('/orders', form);
    resolver.updateResolution();
    await settled(clock);
    await clock.advance(500);
    expect(heard).toEqual([expect.stringContaining('no list of orders')]);
    await discovery.close();
  });
});

it('hears nothing after destroy, and all again after the next updateResolution', async () => {
  const { registry, discovery, clock } = await fixture();
  const grpc = new FakeGrpc();
  registerGrpcResolver(grpc, discovery, { scheme: 'fleet', policy: 'pick_first' });
  registry.list([instance({ id: 'a', port: 1 })]);
  const { resolver, heard } = grpc.channel('orders', 'function', 'fleet');
  resolver.updateResolution();
  resolver.updateResolution();
  await settled(clock);
  expect([registry.begun, heard]).toEqual([1, [['10.0.0.1:1'], [{ pick_first: {} }]]]);
  resolver.destroy();
  registry.list([instance({ id: 'b', port: 2 })]);
  await settled(clock);
  expect([registry.open, heard.length]).toEqual([0, 2]);
  resolver.updateResolution();
  await settled(clock);
  expect(heard[2]).toEqual(['10.0.0.1:2']);
  resolver.destroy();
  await discovery.close();
});

it('a name that no service can have, or a closed discovery, is told as unavailable', async () => {
  const { discovery, clock } = await fixture();
  const grpc = new FakeGrpc();
  registerGrpcResolver(grpc, discovery);
  const odd = grpc.channel('a/b', 'function');
  odd.resolver.updateResolution();
  await settled(clock);
  expect(odd.heard).toEqual([expect.stringContaining('at service')]);
  await discovery.close();
  const late = grpc.channel('orders', 'function');
  late.resolver.updateResolution();
  await settled(clock);
  expect(late.heard).toEqual(['the discovery is closed']);
});

it('calls go to the authority of the service', async () => {
  const { discovery } = await fixture();
  const grpc = new FakeGrpc();
  registerGrpcResolver(grpc, discovery);
  expect(grpc.registered.get('pilotfish')?.getDefaultAuthority({ path: 'orders' })).toBe('orders');
  await discovery.close();
});
