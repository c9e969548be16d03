// Runs the checks of a module on the Node that runs this: `node checks-process.mjs MODULE ARGUMENT…`. Each message is the name
// of a check and is answered with `{ name }` once it passed, with `{ name, error }` when it did not.
const [module = '', ...args] = process.argv.slice(2);
/** @type {{ checks: Record<string, (...args: string[]) => Promise<void>> }} */
const { checks } = await import(module);

process.on('disconnect', () => process.exit());
process.on('message', (/** @type {string} */ name) => {
  void run(name).then(
    () => process.send?.({ name }),
    (error) => process.send?.({ name, error: `${error instanceof Error ? error.stack : error}` }),
  );
});
process.send?.('ready');

async function run(/** @type {string} */ name) {
  const check = checks[name];
  if (check === undefined) throw new Error(`expected one of ${Object.keys(checks)}, got ${name}`);
  await check(...args);
}
