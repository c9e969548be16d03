/**
 * What the resolver needs of `@grpc/grpc-js`: its own interface for name resolvers, written down here so that the package
 * is the caller's to install and to hand over.
 */

/** `pilotfish:///orders` in parts. The path is without its slash, or with it in other versions. */
export interface GrpcTarget {
  readonly scheme?: string | undefined;
  readonly authority?: string | undefined;
  readonly path: string;
}

export interface GrpcEndpoint {
  readonly addresses: { readonly host: string; readonly port: number }[];
}

export interface GrpcStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: unknown;
}

export type GrpcOutcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: GrpcStatus };

/** Which balancing gRPC does over the endpoints, and nothing else. */
export interface GrpcServiceConfig {
  readonly loadBalancingConfig: object[];
  readonly methodConfig: never[];
}

/** Version 1.14 and later. */
export type GrpcListener = (
  endpoints: GrpcOutcome<GrpcEndpoint[]>,
  attributes: Record<string, unknown>,
  serviceConfig: GrpcOutcome<GrpcServiceConfig> | null,
  note: string,
) => boolean;

/** Up to version 1.13. */
export interface GrpcListenerObject {
  onSuccessfulResolution(
    endpoints: GrpcEndpoint[],
    serviceConfig: GrpcServiceConfig | null,
    serviceConfigError: GrpcStatus | null,
    configSelector: null,
    attributes: Record<string, unknown>,
  ): void;
  onError(error: GrpcStatus): void;
}

export interface GrpcResolver {
  updateResolution(): void;
  destroy(): void;
}

/** The module `@grpc/grpc-js`. */
export interface Grpc {
  readonly Metadata: new () => unknown;
  readonly status: { readonly UNAVAILABLE: number };
  readonly experimental: {
    /** Takes a class: the types of what it is constructed with differ between versions. */
    registerResolver(scheme: string, resolver: unknown): void;
  };
}
