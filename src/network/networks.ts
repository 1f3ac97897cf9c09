/** Container networks: bridges, addresses, published ports, names. What docker-api, containers/ and kube-node ask of this room. */

export interface NetworkConfig {
  readonly name: string;
  readonly driver: "bridge" | "host" | "null";
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly enableIPv6: boolean;
  readonly ipam: readonly {
    readonly subnet: string;
    readonly gateway?: string;
    readonly ipRange?: string;
    readonly auxAddresses?: Readonly<Record<string, string>>;
  }[];
  /** Docker's driver options: com.docker.network.bridge.name, ...enable_icc, ...enable_ip_masquerade, ...host_binding_ipv4, com.docker.network.driver.mtu. */
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Network extends NetworkConfig {
  readonly id: string;
  /** The ranges as they were asked for; `ipam` has what was chosen beside them. Absent in networks of older releases. */
  readonly askedIpam?: NetworkConfig["ipam"];
  readonly createdAt: number;
  /** Link name of the bridge; undefined for host and null networks. */
  readonly bridge?: string;
}

export interface PortMapping {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly containerPort: number;
  /** "" or "0.0.0.0": every IPv4 address; "::": every IPv6 address. */
  readonly hostAddress: string;
  /** 0: pick from the ephemeral range. */
  readonly hostPort: number;
  /** In a request: any free port from hostPort to here. */
  readonly hostPortEnd?: number;
}

export interface AttachRequest {
  /** Container or pod sandbox id. */
  readonly owner: string;
  /** The owner's name: resolves on the network, and appears in messages. */
  readonly name?: string;
  readonly networkId: string;
  /** The process whose network namespace gets the interface. */
  readonly pid: number;
  /** Instead of a process: where the namespace is mounted. */
  readonly netnsPath?: string;
  /** eth0, eth1, ... */
  readonly interfaceName: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly mac?: string;
  /** Names that resolve to this endpoint on the network's name server. */
  readonly aliases: readonly string[];
  /** Further addresses, good on this link only: 169.254.0.0/16 and fe80::/10. */
  readonly linkLocal?: readonly string[];
  /** Settings of the interface: `net.ipv4.conf.IFNAME.log_martians` to `1`; IFNAME stands for its name. */
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly ports: readonly PortMapping[];
  /** Whether the default route goes through this network. */
  readonly defaultGateway: boolean;
  /** Name servers (`address` or `address#port`) that the network's name server asks, instead of the host's. */
  readonly dns?: readonly string[];
}

export interface Endpoint {
  readonly id: string;
  readonly owner: string;
  readonly networkId: string;
  readonly interfaceName: string;
  readonly ipv4: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly ipv6: string;
  readonly ipv6PrefixLength: number;
  readonly ipv6Gateway: string;
  readonly mac: string;
  readonly aliases: readonly string[];
  /** With the host ports that were chosen. */
  readonly ports: readonly PortMapping[];
}

export interface Networks {
  create(config: NetworkConfig): Promise<Network>;
  remove(id: string): Promise<void>;
  list(): readonly Network[];
  /** By id, unambiguous id prefix, or name. */
  find(reference: string): Network | undefined;
  /** Reserves the address and host ports and plugs the namespace in. All or nothing. Throws `conflict` for a port or address in use. */
  attach(request: AttachRequest): Promise<Endpoint>;
  /**
   * Undoes an attach; harmless when the namespace is already gone. `live`: it goes on, so that the interface has to be gone (and its
   * name free again) when this resolves.
   */
  detach(owner: string, networkId: string, options?: { readonly live: boolean }): Promise<void>;
  /**
   * Leads the owner's default routes, one for each family, through the first of these networks (by id, in order) that has a gateway of the
   * family. For a live owner.
   */
  route(owner: string, order: readonly string[]): void;
  /** The owner has another name from now on: it resolves, the old one does not. */
  rename(owner: string, name: string): void;
  endpoints(filter: { owner?: string; networkId?: string }): readonly Endpoint[];
  /** Cuts an owner's endpoints off, as if their cables were pulled, or puts them back. */
  setCut(owner: string, isCut: boolean): void;
  /** After a restart: keeps what belongs to `liveOwners`, restores rules, removes everything else of ours on the host. */
  reconcile(liveOwners: ReadonlySet<string>): Promise<void>;
  /** Stops answering names and holding ports. Containers keep their networks; without any, nothing of ours stays on the host. */
  close(): Promise<void>;
  /** Removes everything of ours from the host; the definitions stay, and the next start makes them again. Before `close`. */
  dismantle(): Promise<void>;
}
