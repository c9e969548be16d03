/** Process numbers of a test's own: as process 1, or where a number can be made to come round. Needs root on Linux. */
import { execFileSync } from 'node:child_process';

/** For `unshare`, before the program. */
export const PID_NAMESPACE = ['-fp', '--kill-child', '--mount-proc'] as const;

export function canMakePidNamespace(): boolean {
  try {
    execFileSync('unshare', [...PID_NAMESPACE, 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
