/** How the tests run: forks, because servers bound to a test's process need a process of its own. */
import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/fixtures/**'],
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: './test/global-setup.ts',
    // A limit for what hangs. Nothing is proved by it, and a machine with other work takes its time.
    testTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
    reporters: ['default', './test/reporter.ts'],
  },
});

export default config;
