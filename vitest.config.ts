/** How the tests run: forks, because servers bound to a test's process need a process of its own. */
import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/fixtures/**'],
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: './test/global-setup.ts',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
    reporters: ['default', './test/reporter.ts'],
  },
});

export default config;
