/** `?scheme=`, which says of Kratos' endpoints which one is meant. */

/** Those that Kratos knows. */
const SCHEMES = ['http', 'https', 'grpc', 'grpcs'];

/** What was expected of a scheme beside a format, or undefined where it is right. */
export function schemeRule(scheme: string | undefined, format: string | undefined): string | undefined {
  if (scheme === undefined) return undefined;
  if (format !== 'kratos') return 'format=kratos beside it';
  return SCHEMES.includes(scheme) ? undefined : `one of: ${SCHEMES.join(', ')}`;
}
