/** undici's BalancedPool: the method by which it selects a pool for a request, which has a symbol for its name. */
import { BalancedPool } from 'undici';
import { hostOf } from './endpoints.js';
import type { Peer } from './peer.js';

type Select = () => unknown;

/** Its pools are real and have no connection, as before their first request. */
export function openBalancedPool(count: number): Peer {
  const pool = new BalancedPool(Array.from({ length: count }, (_, index) => originOf(index)));
  const select = selectionOf(pool);
  const first = select();
  return {
    loop(picks) {
      let sum = 0;
      for (let i = 0; i < picks; i++) if (select() === first) sum++;
      return sum;
    },
    change(joining, leaving) {
      for (const index of joining) pool.addUpstream(originOf(index));
      for (const index of leaving) pool.removeUpstream(originOf(index));
    },
  };
}

function originOf(index: number): string {
  return `http://${hostOf(index)}:80`;
}

function selectionOf(pool: BalancedPool): Select {
  const name = Object.getOwnPropertySymbols(BalancedPool.prototype).find(
    ({ description }) => description === 'get dispatcher',
  );
  if (name === undefined) throw new Error('this version of undici has another selection');
  const selection = (BalancedPool.prototype as unknown as Readonly<Record<symbol, Select>>)[name] as Select;
  return selection.bind(pool);
}
