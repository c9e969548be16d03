// A caller that is an ES module: `node caller.mjs REGISTRY`. Prints what it picked and what it was answered.
import { connect } from 'pilotfish';

const discovery = await connect(process.argv[2] ?? '');
const orders = discovery.service('orders');
await orders.ready();
const pick = orders.pick();
pick.done('ok');
const { status } = await discovery.fetch('http://orders/health');
await discovery.close();
console.log(`${pick.endpoint.host}:${pick.endpoint.port} answered ${status}`);
