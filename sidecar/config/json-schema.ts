/**
 * The schema of the configuration file for editors, made from the one that validates it. `config.schema.json` holds
 * what this returns; `npx vitest run test/sidecar/config-json-schema.test.ts -u` writes it anew.
 */
import { z } from 'zod';
import { fileSchema } from './schema.js';

/** Draft 7, which every editor understands. Rules that only code can check are left to `--check-config`. */
export function configJsonSchema(): object {
  const schema = z.toJSONSchema(fileSchema, { target: 'draft-7', io: 'input' });
  return { ...schema, title: 'pilotfish sidecar configuration' };
}
