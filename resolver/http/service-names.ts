/** Which URLs name a service. Everything else is none of ours and goes where the URL says. */
import { isName } from '../../registry/instance.js';
import { describe, reject } from '../../runtime/expected.js';

/**
 * How the origin of a URL becomes the name of a service.
 *
 * - `{ suffix: '.svc' }`: `http://orders.svc` is the service `orders`.
 * - a function of the origin: its result is the name, undefined means that the URL is meant as it is. It is asked once per
 *   origin that names a service, and for every request to any other.
 *
 * URLs have their host in lower case; a service whose name has other letters needs a function.
 */
export type ServiceNames = { readonly suffix: string } | ((origin: URL) => string | undefined);

/**
 * The default: a host without a dot is a service, except `localhost` and IP addresses. So `http://orders/items` is the
 * service `orders`, and `https://api.example.com` is a host.
 */
export function bareName({ hostname }: URL): string | undefined {
  return hostname !== 'localhost' && isName(hostname) && !/[.:]/.test(hostname) ? hostname : undefined;
}

/** Throws BAD_INPUT for an empty suffix, which would take every host for a service. */
export function serviceNaming(names: ServiceNames | undefined): (origin: URL) => string | undefined {
  if (names === undefined) return bareName;
  if (typeof names === 'function') return names;
  const suffix = names.suffix.toLowerCase();
  if (suffix === '') reject('services.suffix', 'the end of a host name, such as ".svc"', describe(suffix));
  return ({ hostname }) =>
    hostname.length > suffix.length && hostname.endsWith(suffix)
      ? hostname.slice(0, -suffix.length)
      : undefined;
}
