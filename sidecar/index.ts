/** `pilotfish/sidecar`: the daemon as a library, for whoever wants it inside a process of their own. */
export type {
  ExecProbeConfig,
  GrpcProbeConfig,
  HttpProbeConfig,
  ProbeConfig,
  ServiceConfig,
  SidecarConfig,
  TcpProbeConfig,
  TtlProbeConfig,
  UdpProbeConfig,
} from './config/config.js';
export { type LoadedConfig, loadConfig } from './config/load.js';
export { type Sidecar, type SidecarOptions, startSidecar } from './daemon.js';
