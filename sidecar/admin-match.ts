/** Which route a request is for. Pure. */
import type { AdminRoute } from './admin-route.js';

export interface RouteMatch {
  readonly route: AdminRoute;
  readonly params: Readonly<Record<string, string>>;
}

/** The routes whose path fits, whatever their method. */
export function routesAt(routes: readonly AdminRoute[], path: string): readonly RouteMatch[] {
  return routes.flatMap((route) => {
    const params = match(route.path, path);
    return params === undefined ? [] : [{ route, params }];
  });
}

export function methodsOf({ method }: AdminRoute): readonly string[] {
  return method === 'GET' ? ['GET', 'HEAD'] : [method];
}

/** The parameters of a path that fits the pattern; undefined when it does not fit. */
function match(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, segment] of wanted.entries()) {
    const name = /^\{(\w+)\}$/.exec(segment)?.[1];
    const value = given[i] as string;
    if (name === undefined && segment !== value) return undefined;
    if (name !== undefined) params[name] = decoded(value);
  }
  return params;
}

/** A segment that cannot be decoded stays as it is, and names nothing. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
