/** The JSON object that a request to the admin server carries, and the replies to one that is not right. */
import { describe, formatProblem, type Problem } from '../runtime/expected.js';
import { type Result, rejected, valid } from '../runtime/result.js';
import { type AdminReply, type AdminRequest, problem, problems } from './admin-route.js';

/** Objects and lists inside each other; a command needs one or two. */
const MAX_DEPTH = 8;

const JSON_TYPE = /^application\/json\s*(;|$)/i;

/**
 * The reply to a content type that will not do; undefined when it does. A POST needs `application/json` even without a
 * body: a web page cannot send it to another origin without asking first, and the admin server never says yes.
 */
export function wrongContentType(
  method: string | undefined,
  contentType: string | undefined,
  body: Buffer,
): AdminReply | undefined {
  const isFree = body.length === 0 && method !== 'POST';
  if (isFree || JSON_TYPE.test(contentType ?? '')) return undefined;
  return problem(415, `expected application/json, got ${describe(contentType)}, at content-type`);
}

/** The body as an object of at most 8 levels, an empty one as `{}`; else the reply 400 that says what is wrong. */
export function jsonBody({
  body,
}: Pick<AdminRequest, 'body'>): Result<Readonly<Record<string, unknown>>, AdminReply> {
  if (body.length === 0) return valid({});
  const value = parsed(body);
  if (!isObject(value)) return rejected(problem(400, 'expected a JSON object, at body'));
  if (!isDeeper(value, MAX_DEPTH)) return valid(value);
  return rejected(
    problem(400, `expected at most ${MAX_DEPTH} levels of objects and lists, got more, at body`),
  );
}

/** The reply to members that are wrong: 400 and all of them, `{"errors": ["expected …, got …, at …"]}`. */
export function wrongMembers(found: readonly Problem[]): AdminReply {
  return problems(400, found.map(formatProblem));
}

/** A problem for each member that is none of `known`: a misspelt one must not be passed over. */
export function unknownMembers(
  body: Readonly<Record<string, unknown>>,
  known: readonly string[],
): readonly Problem[] {
  return Object.keys(body)
    .filter((name) => !known.includes(name))
    .map((name) => ({ path: 'body', expected: `one of: ${known.join(', ')}`, got: describe(name) }));
}

/** Undefined when it is no JSON, or no UTF-8. */
function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Looks no deeper than `levels`. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}
