/** What a rejection with BAD_INPUT says, one line a problem; none when there is no rejection. */
import { BadInputError, formatProblem } from '../../runtime/expected.js';

export async function problemsOf(work: Promise<unknown>): Promise<readonly string[]> {
  try {
    await work;
    return [];
  } catch (error) {
    if (error instanceof BadInputError) return error.problems.map(formatProblem);
    throw error;
  }
}
