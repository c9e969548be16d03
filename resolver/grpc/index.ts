/** The public entry `pilotfish/grpc`: services as targets of gRPC clients, such as `pilotfish:///orders`. */
export type { Grpc } from './grpc-types.js';
export { type GrpcResolverOptions, registerGrpcResolver } from './resolver.js';
