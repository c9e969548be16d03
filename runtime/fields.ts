/** The members of what somebody else wrote, before anything is known of them. */

export type Fields = Readonly<Record<string, unknown>>;

/** The object itself, or an empty one for anything that has no fields. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}
