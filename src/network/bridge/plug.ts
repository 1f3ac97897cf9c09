/** Plugs a network namespace into a bridge: a pair of links, the inner one configured from inside. */
import { GantryError } from "#base/errors.ts";
import { inNetns } from "#linux/netns.ts";
import { LOOPBACK_INDEX, openRtnetlink, type Rtnetlink } from "#linux/rtnetlink.ts";
import { writeSysctl } from "./sysctl.ts";

export interface Plug {
  readonly bridge: string;
  readonly hostLink: string;
  readonly mtu: number;
  readonly isolated: boolean;
  /** The container is reached from itself by the host's address (a published port, a service). */
  readonly hairpin: boolean;
  /** A descriptor of the namespace. */
  readonly netns: number;
  readonly interfaceName: string;
  readonly mac: string;
  readonly addresses: readonly PlugAddress[];
  /** `net.ipv4.conf.IFNAME.log_martians` to `1`. */
  readonly sysctls: Readonly<Record<string, string>>;
}

export interface PlugAddress {
  readonly address: string;
  readonly prefixLength: number;
  /** Where the default route leads; undefined when it leads elsewhere. */
  readonly gateway: string | undefined;
}

/** Throws SyscallError; `conflict` when the namespace has a link of that name. Nothing is left of a failed plug. */
export function plug(host: Rtnetlink, wanted: Plug): void {
  const bridge = host.link(wanted.bridge);
  if (!bridge) throw new GantryError("internal", `the bridge ${wanted.bridge} has gone`);
  host.addVeth(
    { name: wanted.hostLink, master: bridge.index, mtu: wanted.mtu, up: true },
    { name: wanted.interfaceName, mac: wanted.mac, mtu: wanted.mtu, netns: { fd: wanted.netns } },
  );
  try {
    const { isolated, hairpin } = wanted;
    // Where bridged frames pass the host's rules, a translated one may have to leave by the port it came in.
    if (isolated || hairpin) host.setPort(host.link(wanted.hostLink)?.index ?? 0, { isolated, hairpin });
    inNetns({ fd: wanted.netns }, () => configureInside(wanted));
  } catch (error) {
    host.deleteLink(wanted.hostLink);
    throw error;
  }
}

function configureInside({ interfaceName, addresses, sysctls }: Plug): void {
  const inside = openRtnetlink();
  try {
    const link = inside.link(interfaceName)?.index ?? 0;
    const ipv6 = addresses.some(({ address }) => address.includes(":"));
    // A neighbour on the bridge is no router (CVE-2020-13401).
    writeSysctl(`ipv6/conf/${interfaceName}/accept_ra`, "0");
    // Nobody else has the addresses that we give out, and a hairpin port would echo the question.
    writeSysctl(`ipv6/conf/${interfaceName}/accept_dad`, "0");
    writeSysctl(`ipv6/conf/${interfaceName}/disable_ipv6`, ipv6 ? "0" : "1");
    inside.setLink(LOOPBACK_INDEX, { up: true });
    inside.setLink(link, { up: true });
    for (const address of addresses) configureAddress(inside, link, address);
    for (const [name, value] of Object.entries(sysctls)) writeInterfaceSysctl(interfaceName, name, value);
  } finally {
    inside.close();
  }
}

/** Only settings of the interface itself: the name was checked to be `net.<family>.<conf|neigh>.IFNAME.<setting>`. */
function writeInterfaceSysctl(interfaceName: string, name: string, value: string): void {
  const path = name
    .split(".")
    .slice(1)
    .map((part) => (part.toUpperCase() === "IFNAME" ? interfaceName : part))
    .join("/");
  if (!writeSysctl(path, value))
    throw new GantryError("invalid", `the kernel has no setting ${name} of interface ${interfaceName}`);
}

function configureAddress(inside: Rtnetlink, link: number, { address, prefixLength, gateway }: PlugAddress): void {
  inside.addAddress({ link, address, prefixLength });
  if (gateway === undefined) return;
  // With an address of its own only (/32), the gateway is reached by the link, not by a subnet.
  const alone = prefixLength === (address.includes(":") ? 128 : 32);
  if (alone) inside.setRoute({ destination: { address: gateway, prefixLength }, link });
  inside.setRoute({ gateway, link });
}
