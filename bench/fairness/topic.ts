/** What is published: tables in which each contender has a row, and each experiment a column. */
import type { Contender } from './contender.js';

export interface Experiment {
  /** The head of its column. */
  readonly title: string;
  /** The figures of one cell; undefined where the contender cannot take part. */
  readonly run: (contender: Contender) => Promise<string | undefined>;
}

export interface Topic {
  readonly heading: string;
  /** What was done, and how to read the figures, in Markdown. */
  readonly text: string;
  readonly contenders: readonly Contender[];
  readonly experiments: readonly Experiment[];
}

/** As Markdown. One experiment after the other, because each has the time of the whole process. */
export async function tableOf({ heading, text, contenders, experiments }: Topic): Promise<string> {
  const head = ['', ...experiments.map(({ title }) => title)];
  const rows = [head, head.map(() => '---')];
  for (const contender of contenders) {
    const cells: string[] = [];
    for (const { run } of experiments) cells.push((await run(contender)) ?? '-');
    rows.push([`${contender.library} \`${contender.name}\``, ...cells]);
  }
  const lines = rows.map((cells) => `| ${cells.join(' | ')} |`);
  return `### ${heading}\n\n${text.trim()}\n\n${lines.join('\n')}\n`;
}

export function times(ratio: number): string {
  return ratio.toFixed(2);
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
