// The same caller as a CommonJS module: `node caller.cjs REGISTRY`.
const { connect } = require('pilotfish');

async function call() {
  const discovery = await connect(process.argv[2] ?? '');
  const orders = discovery.service('orders');
  await orders.ready();
  const pick = orders.pick();
  pick.done('ok');
  const { status } = await discovery.fetch('http://orders/health');
  await discovery.close();
  console.log(`${pick.endpoint.host}:${pick.endpoint.port} answered ${status}`);
}

void call();
