// Another process that owns a registration, to be killed by a test: `node owner.mjs URL INSTANCE_AS_JSON`.
// Prints `registered` and then lives until it is killed.
import { openWritable } from '../../dist/registry/index.js';

const [url = '', instance = ''] = process.argv.slice(2);
const registry = await openWritable(url);
await registry.register(JSON.parse(instance));
console.log('registered');
