/**
 * Who is measured where. In each scenario one of three backends is well, slow or failing. Every way has its defaults; where
 * a setting of a proxy or a policy of ours is made for the case, it is there as well, so that nobody is beaten by a
 * configuration that no one would choose.
 */

/** What the third backend does; the first two are always well. */
export type Third = 'well' | 'slow' | 'failing';

/** How a client sends its requests. */
export type Way = 'pool' | 'hand-written' | 'balanced-pool' | 'round-robin' | 'least-loaded' | 'peak-ewma';

/** What a client is told: one backend that is well, all three, a registry that lists them, or a proxy before them. */
export type Via = 'one backend' | 'backends' | 'registry' | 'nginx' | 'haproxy';

/** Lines of its configuration beside the addresses. */
export interface ProxySettings {
  /** How it chooses: in the `upstream` block of nginx. */
  readonly choosing?: readonly string[];
  /** How it sends: in the `server` block of nginx. */
  readonly sending?: readonly string[];
}

/** One way in one scenario. */
export interface HttpContender {
  readonly name: string;
  readonly third: Third;
  readonly way: Way;
  readonly via: Via;
  readonly settings: ProxySettings;
}

export interface Scenario {
  readonly title: string;
  readonly contenders: readonly HttpContender[];
  /** How many processes each of them gets, one after the other. */
  readonly generations: number;
}

export const REFERENCE = 'hand-written round-robin';

const everywhere = (third: Third): readonly HttpContender[] => [
  direct(third, 'undici Pool, one backend', 'pool', 'one backend'),
  direct(third, REFERENCE, 'hand-written', 'backends'),
  direct(third, 'undici BalancedPool', 'balanced-pool', 'backends'),
  direct(third, 'pilotfish', 'round-robin', 'registry'),
  direct(third, 'pilotfish, least loaded', 'least-loaded', 'registry'),
  proxied(third, 'nginx', 'nginx', {}),
  proxied(third, 'HAProxy', 'haproxy', { choosing: ['balance roundrobin'] }),
];

export const SCENARIOS: readonly Scenario[] = [
  { title: 'all three are well', contenders: everywhere('well'), generations: 5 },
  {
    title: 'one of three is 50 ms slower',
    contenders: [
      ...everywhere('slow'),
      direct('slow', 'pilotfish, peak EWMA', 'peak-ewma', 'registry'),
      proxied('slow', 'nginx, least_conn', 'nginx', { choosing: ['least_conn;'] }),
      proxied('slow', 'HAProxy, leastconn', 'haproxy', { choosing: ['balance leastconn'] }),
    ],
    generations: 3,
  },
  {
    title: 'one of three answers every fifth request with 503',
    contenders: [
      ...everywhere('failing'),
      proxied('failing', 'nginx, retrying', 'nginx', {
        sending: ['proxy_next_upstream error timeout http_500 http_503;'],
      }),
      proxied('failing', 'HAProxy, retrying', 'haproxy', {
        choosing: ['balance roundrobin'],
        sending: ['retry-on all-retryable-errors', 'retries 2', 'option redispatch'],
      }),
    ],
    generations: 3,
  },
];

function direct(third: Third, name: string, way: Way, via: Via): HttpContender {
  return { third, name, way, via, settings: {} };
}

function proxied(third: Third, name: string, via: Via, settings: ProxySettings): HttpContender {
  return { third, name, way: 'pool', via, settings };
}
