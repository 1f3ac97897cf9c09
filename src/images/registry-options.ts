import type { Duplex } from "node:stream";

/** How registries are spoken to. */
export interface RegistryOptions {
  /** Hosts (with port) or networks (CIDR) that may speak plain HTTP or show any certificate. 127.0.0.0/8, ::1 and localhost may. */
  readonly insecure?: readonly string[];
  /** Where docker.io's images are asked for first. */
  readonly mirrors?: readonly string[];
  /** A folder for each host (`host:port`): `ca.crt`, `client.cert`, `client.key`. */
  readonly certsDir?: string;
  /** A registry of this process, for the hosts (with port) that name it. */
  readonly local?: LocalRegistry;
}

export interface LocalRegistry {
  serves(host: string): boolean;
  /** A connection to it, or to whoever else listens at that address. */
  connect(host: string): Promise<Duplex>;
}
