/** Entries as the software of each format writes them. */
import type { FormatName } from '../../registry/formats/index.js';

export interface Sample {
  readonly format: FormatName;
  readonly what: string;
  readonly service: string;
  readonly name: string;
  readonly data: string | undefined;
  /** The fields of the instance that are not the default. */
  readonly instance: Readonly<Record<string, unknown>>;
}

const NERVE_JSON =
  '{"host":"i-abc.internal","port":3000,"name":"i-abc","weight":10,"haproxy_server_options":"backup","labels":{"az":"us-east-1a"}}';
const NERVE_INSTANCE = {
  id: 'i-abc:3000',
  host: 'i-abc.internal',
  port: 3000,
  weight: 10,
  metadata: { haproxy_server_options: 'backup', az: 'us-east-1a' },
};
const NERVE_BASE64 = Buffer.from(NERVE_JSON).toString('base64').replaceAll('+', '-').replaceAll('/', '_');

export const SAMPLES: readonly Sample[] = [
  {
    format: 'host-port',
    what: 'the pair',
    service: 'web',
    name: 's8080',
    data: '["10.0.0.1","8080"]',
    instance: { id: 's8080', host: '10.0.0.1', port: 8080 },
  },
  {
    format: 'host-port',
    what: 'a pair with a number and an IPv6 address',
    service: 'web',
    name: 'anything',
    data: '["[2001:db8::1]",8080]',
    instance: { id: 'anything', host: '2001:db8::1', port: 8080 },
  },
  {
    format: 'address',
    what: 'an address as data',
    service: 'web',
    name: 'web-1',
    data: '10.0.0.1:8080\n',
    instance: { id: 'web-1', host: '10.0.0.1', port: 8080 },
  },
  {
    format: 'address',
    what: 'an address as name',
    service: 'web',
    name: '[2001:db8::1]:80',
    data: '',
    instance: { id: '2001:db8::1:80', host: '2001:db8::1', port: 80 },
  },
  {
    format: 'address',
    what: "registrator's entry, whose name is the address",
    service: 'web',
    name: '10.0.0.1:32768',
    data: '{"Name":"web","IP":"10.0.0.1","PublicPort":32768,"PrivatePort":80,"ContainerID":"4fa6","Tags":[],"Attrs":{}}',
    instance: { id: '10.0.0.1:32768', host: '10.0.0.1', port: 32768 },
  },
  {
    format: 'nerve',
    what: "nerve's JSON",
    service: 'web',
    name: 'i-abc_0000000012',
    data: NERVE_JSON,
    instance: NERVE_INSTANCE,
  },
  {
    format: 'nerve-path',
    what: "nerve's JSON in the name",
    service: 'web',
    name: `base64_${NERVE_BASE64.length}_${NERVE_BASE64}_0000000012`,
    data: undefined,
    instance: NERVE_INSTANCE,
  },
  {
    format: 'serverset',
    what: 'a member',
    service: 'web',
    name: 'member_0000000000',
    data: '{"status":"ALIVE","additionalEndpoints":{"aurora":{"host":"10.0.0.1","port":80},"http":{"host":"10.0.0.2","port":80}},"serviceEndpoint":{"host":"10.0.0.3","port":80},"shard":0,"metadata":{"keyA":"valueA"}}',
    instance: {
      id: 'member_0000000000',
      host: '10.0.0.3',
      port: 80,
      metadata: {
        shard: '0',
        'endpoint.aurora': '10.0.0.1:80',
        'endpoint.http': '10.0.0.2:80',
        keyA: 'valueA',
      },
    },
  },
  {
    format: 'serverset',
    what: 'a member that is not ALIVE',
    service: 'web',
    name: 'member_0000000007',
    data: '{"status":"DEAD","additionalEndpoints":{},"serviceEndpoint":{"host":"10.0.0.3","port":80}}',
    instance: { id: 'member_0000000007', host: '10.0.0.3', port: 80, status: 'maintenance' },
  },
  {
    format: 'curator',
    what: 'the least that Curator writes',
    service: '0',
    name: 'a',
    data: '{"name":"0","id":"a","address":"addr1","port":80,"sslPort":null,"payload":null,"registrationTimeUTC":3,"serviceType":"DYNAMIC","uriSpec":null}',
    instance: { id: 'a', host: 'addr1', port: 80 },
  },
  {
    format: 'curator',
    what: 'a sequential node, with a secure port and a payload of some class',
    service: 'web',
    name: 'a0000000042',
    data: '{"name":"web","id":"a","address":"10.0.0.1","port":null,"sslPort":8443,"payload":{"@class":"com.example.Details","rack":"r1","cores":8},"registrationTimeUTC":3,"serviceType":"DYNAMIC_SEQUENTIAL","uriSpec":null}',
    instance: {
      id: 'a',
      host: '10.0.0.1',
      port: 8443,
      metadata: { rack: 'r1', cores: '8', scheme: 'https' },
    },
  },
  {
    format: 'curator',
    what: 'one that is not enabled',
    service: 'web',
    name: 'a',
    data: '{"name":"web","id":"a","address":"10.0.0.1","port":80,"sslPort":null,"payload":"blue","registrationTimeUTC":3,"serviceType":"DYNAMIC","uriSpec":null,"enabled":false}',
    instance: {
      id: 'a',
      host: '10.0.0.1',
      port: 80,
      status: 'maintenance',
      note: 'not enabled',
      metadata: { payload: 'blue' },
    },
  },
  {
    format: 'spring',
    what: 'an instance of Spring Cloud',
    service: 'waiter-service',
    name: 'b1fdcb1e-27a8-4409-a703-3458260c450a',
    data: '{"name":"waiter-service","id":"b1fdcb1e-27a8-4409-a703-3458260c450a","address":"10.133.11.150","port":53598,"sslPort":null,"payload":{"@class":"org.springframework.cloud.zookeeper.discovery.ZookeeperInstance","id":"waiter-service","name":"waiter-service","metadata":{"instance_status":"UP","weight":"3","zone":"z1","hint":"blue"}},"registrationTimeUTC":1618899361271,"serviceType":"DYNAMIC","uriSpec":{"parts":[{"value":"scheme","variable":true},{"value":"://","variable":false},{"value":"address","variable":true},{"value":":","variable":false},{"value":"port","variable":true}]}}',
    instance: {
      id: 'b1fdcb1e-27a8-4409-a703-3458260c450a',
      host: '10.133.11.150',
      port: 53598,
      weight: 3,
      zone: 'z1',
      metadata: { hint: 'blue' },
    },
  },
  {
    format: 'spring',
    what: 'one that is out of service',
    service: 'web',
    name: 'a',
    data: '{"name":"web","id":"a","address":"10.0.0.1","port":80,"sslPort":null,"payload":{"@class":"org.springframework.cloud.zookeeper.discovery.ZookeeperInstance","id":"application-1","name":"web","metadata":{"instance_status":"OUT_OF_SERVICE"}},"registrationTimeUTC":3,"serviceType":"DYNAMIC","uriSpec":null}',
    instance: {
      id: 'a',
      host: '10.0.0.1',
      port: 80,
      status: 'maintenance',
      note: 'instance_status OUT_OF_SERVICE',
    },
  },
  {
    format: 'dubbo',
    what: 'a provider',
    service: 'com.alibaba.dubbo.demo.DemoService',
    name: 'dubbo%3A%2F%2F172.16.104.22%3A20880%2Fcom.alibaba.dubbo.demo.DemoService%3Fanyhost%3Dtrue%26application%3Ddemo-provider%26dubbo%3D2.0.0%26interface%3Dcom.alibaba.dubbo.demo.DemoService%26loadbalance%3Droundrobin%26methods%3DsayHello%26pid%3D11864%26side%3Dprovider%26timestamp%3D1495782364906',
    data: undefined,
    instance: {
      id: 'dubbo:172.16.104.22:20880',
      host: '172.16.104.22',
      port: 20880,
      weight: 100,
      metadata: {
        protocol: 'dubbo',
        anyhost: 'true',
        application: 'demo-provider',
        dubbo: '2.0.0',
        interface: 'com.alibaba.dubbo.demo.DemoService',
        loadbalance: 'roundrobin',
        methods: 'sayHello',
        pid: '11864',
        side: 'provider',
        timestamp: '1495782364906',
      },
    },
  },
  {
    format: 'dubbo',
    what: 'a disabled provider of one version in one group',
    service: 'demo',
    name: encodeURIComponent(
      'tri://[2001:db8::1]:50051/demo?version=1.0.0&group=a/b&weight=200&disabled=true',
    ),
    data: undefined,
    instance: {
      id: 'tri:2001:db8::1:50051,version=1.0.0,group=a_b',
      host: '2001:db8::1',
      port: 50_051,
      weight: 200,
      version: '1.0.0',
      status: 'maintenance',
      note: 'disabled by its parameters',
      metadata: { protocol: 'tri', group: 'a/b', disabled: 'true' },
    },
  },
  {
    format: 'kafka',
    what: 'a broker with two listeners',
    service: 'kafka',
    name: '17',
    data: '{"version":5,"host":null,"port":-1,"jmx_port":9999,"timestamp":"2233345666","endpoints":["CLIENT://host1:9092","REPLICATION://host1:9093"],"listener_security_protocol_map":{"CLIENT":"SSL","REPLICATION":"PLAINTEXT"},"rack":"dc1","features":{}}',
    instance: {
      id: '17',
      host: 'host1',
      port: 9093,
      zone: 'dc1',
      metadata: {
        version: '5',
        jmx_port: '9999',
        timestamp: '2233345666',
        features: '{}',
        'listener.CLIENT': 'SSL host1:9092',
        'listener.REPLICATION': 'PLAINTEXT host1:9093',
      },
    },
  },
  {
    format: 'kafka',
    what: 'a broker of version 1',
    service: 'kafka',
    name: '0',
    data: '{"version":1,"host":"localhost","port":9092,"jmx_port":-1,"timestamp":"2233345666"}',
    instance: {
      id: '0',
      host: 'localhost',
      port: 9092,
      metadata: { version: '1', jmx_port: '-1', timestamp: '2233345666' },
    },
  },
];
