/** Gives every test file the same three real servers; a run that lacks one fails here, before any test. */
import type { TestProject } from 'vitest/node';
import type {} from './servers/index.js';
import { startSharedServers } from './servers/shared.js';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = await startSharedServers();
  project.provide('sharedServers', servers.addresses);
  return servers.stop;
}
