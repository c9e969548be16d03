/**
 * The variables that the kubelet gives every container for each Service of its namespace. Those of one that is named
 * `pilotfish`, or `pilotfish-` and more, look like settings of ours and are none.
 */
type Environment = Readonly<Record<string, string | undefined>>;

/** That of each Service; nobody sets it as a setting of ours. */
const HOST = /^(PILOTFISH(?:_\w+)?)_SERVICE_HOST$/;

/** What follows the name of the Service. */
const SUFFIX = /^_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;

const URL_OF_PORT = /^(tcp|udp|sctp):\/\//;

/** The environment without them. A port that is a number is a setting, as PILOTFISH_PORT. */
export function withoutServiceLinks(env: Environment): Environment {
  const prefixes = Object.keys(env).flatMap((name) => HOST.exec(name)?.[1] ?? []);
  const isLink = (name: string, value = ''): boolean =>
    prefixes.some((prefix) => {
      if (!name.startsWith(prefix)) return false;
      const rest = name.slice(prefix.length);
      return rest === '_PORT' ? URL_OF_PORT.test(value) : SUFFIX.test(rest);
    });
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => !isLink(name, value)));
}
