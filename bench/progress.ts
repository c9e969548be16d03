/** Says what goes on during long work, on standard error, so that standard output holds the report alone. */

export function progress(text: string): void {
  process.stderr.write(`… ${text}\n`);
}
