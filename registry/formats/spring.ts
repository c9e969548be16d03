/**
 * Spring Cloud ZooKeeper: Curator's entry with Spring's payload, whose metadata hold everything else. Only for services
 * whose readers are Spring's: others do not know the payload's class.
 */
import { curatorLike } from './curator.js';
import { textsOf } from './text-map.js';

const PAYLOAD_CLASS = 'org.springframework.cloud.zookeeper.discovery.ZookeeperInstance';

/** `{scheme}://{address}:{port}`, as Spring itself writes it. */
const URI_SPEC = {
  parts: [
    { value: 'scheme', variable: true },
    { value: '://', variable: false },
    { value: 'address', variable: true },
    { value: ':', variable: false },
    { value: 'port', variable: true },
  ],
};

export const spring = curatorLike('spring', (instance) => ({
  payload: {
    '@class': PAYLOAD_CLASS,
    id: instance.service,
    name: instance.service,
    metadata: { ...textsOf(instance), instance_status: 'UP' },
  },
  uriSpec: URI_SPEC,
}));
