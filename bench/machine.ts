/** The facts of the machine, without which no figure means anything. */
import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { report } from './harness.js';

export function reportMachine(): void {
  const [processor] = cpus();
  const machine = {
    node: process.versions.node,
    system: `${platform()} ${release()}`,
    processor: processor?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: totalmem() / 2 ** 30,
    loadAverage: loadavg()[0] as number,
    at: new Date().toISOString(),
  };
  report(
    'machine; a load above 0 at the start means that others shared the cores',
    [
      { title: 'node', text: ({ node }) => node },
      { title: 'system', text: ({ system }) => system },
      { title: 'processor', text: ({ processor }) => processor },
      { title: 'cores', text: ({ cores }) => `${cores}` },
      { title: 'GiB', text: ({ memoryGiB }) => memoryGiB.toFixed(1) },
      { title: 'load (1 min)', text: ({ loadAverage }) => loadAverage.toFixed(2) },
      { title: 'at', text: ({ at }) => at },
    ],
    [machine],
  );
}
