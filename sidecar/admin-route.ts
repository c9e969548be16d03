/** What a route of the admin server is given, and what it answers. Routes are made by others; see `admin.ts`. */

export interface AdminRequest {
  /** What the path holds in the place of `{name}`, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** What follows the question mark; empty when nothing does. */
  readonly query: URLSearchParams;
  /** The body, of at most `MAX_BODY_BYTES`; empty when none was sent. See `jsonBody`. */
  readonly body: Buffer;
}

export interface AdminReply {
  readonly status: number;
  /** Undefined for none, such as with 204. */
  readonly body?: { readonly type: string; readonly text: string };
}

export interface AdminRoute {
  /** `GET` answers `HEAD` as well. */
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Segments separated by slashes; one written `{name}` matches any and is handed over in `params`. */
  readonly path: string;
  /** Answered without the server's token. Default false. */
  readonly isOpen?: boolean;
  /** The secret that is needed instead of the server's token; undefined for none of its own. */
  readonly secret?: (params: AdminRequest['params']) => string | undefined;
  /** May throw: the reply is then 500 and the error is logged. */
  readonly handle: (request: AdminRequest) => AdminReply | Promise<AdminReply>;
}

export function json(status: number, value: unknown): AdminReply {
  return { status, body: { type: 'application/json; charset=utf-8', text: `${JSON.stringify(value)}\n` } };
}

/** `{"error": "expected …"}` */
export function problem(status: number, error: string): AdminReply {
  return json(status, { error });
}

/** `{"errors": ["expected …"]}` */
export function problems(status: number, errors: readonly string[]): AdminReply {
  return json(status, { errors });
}
