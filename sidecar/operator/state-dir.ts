/** Where the sidecar keeps what must survive a restart, when the configuration does not say. */
import { join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** systemd's `StateDirectory=` if there is one, else the user's own place for state (XDG), else the system's. */
export function defaultStateDir({ STATE_DIRECTORY, XDG_STATE_HOME, HOME }: Environment): string {
  const given = STATE_DIRECTORY?.split(':')[0];
  if (given) return given;
  if (XDG_STATE_HOME) return join(XDG_STATE_HOME, 'pilotfish');
  return HOME ? join(HOME, '.local/state/pilotfish') : '/var/lib/pilotfish';
}
