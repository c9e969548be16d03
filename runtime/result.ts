/** The outcome of a validation: a value, or everything that is wrong. For input that is expected to be bad at times. */

export type Result<T, E> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: E };

export function valid<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

export function rejected<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error };
}
