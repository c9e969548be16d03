/**
 * The ZooKeeper drivers that can be tested on this Node. The package of the native one does not compile on Node 26 or later,
 * whatever the machine; anywhere else a run without it is a failed one.
 */
export type Driver = 'wire' | 'native';

export const NATIVE_BUILDS: boolean = Number(process.versions.node.split('.')[0]) < 26;
export const DRIVERS: readonly Driver[] = NATIVE_BUILDS ? ['wire', 'native'] : ['wire'];
