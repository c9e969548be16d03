/** The public entry `pilotfish/http`: agents of node:http and node:https. The dispatcher is `Discovery.dispatcher`. */
export { httpAgent, httpsAgent } from './agent.js';
export type { DispatcherOptions, RoutingOptions } from './options.js';
export type { ServiceNames } from './service-names.js';
export type { Services } from './services.js';
