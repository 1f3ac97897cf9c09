/** What a network's driver options say. Unknown ones and values that Gantry cannot honour are refused by name. Pure. */
import { isIPv4 } from "node:net";
import { GantryError } from "#base/errors.ts";
import { LINK_NAME_BYTES } from "#linux/rtnetlink.ts";
import { OPTION_HIDDEN, OPTION_NO_MASQUERADE } from "../pod-network.ts";
import type { NetworkConfig } from "../networks.ts";

export const OPTION_BRIDGE_NAME = "com.docker.network.bridge.name";
export const OPTION_DEFAULT_BRIDGE = "com.docker.network.bridge.default_bridge";
export const OPTION_ICC = "com.docker.network.bridge.enable_icc";
export const OPTION_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade";
export const OPTION_HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4";
export const OPTION_MTU = "com.docker.network.driver.mtu";
const OPTION_HOST_IPV4 = "com.docker.network.host_ipv4";
const GATEWAY_MODES = ["com.docker.network.bridge.gateway_mode_ipv4", "com.docker.network.bridge.gateway_mode_ipv6"];

const DEFAULT_MTU = 1500;

export interface BridgeOptions {
  readonly bridgeName?: string;
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** The source address of what leaves, instead of the outgoing link's. */
  readonly hostAddress?: string;
  /** Where ports without an address of their own are published. */
  readonly hostBinding: string;
  readonly mtu: number;
  readonly hidden: boolean;
  readonly noMasquerade: readonly string[];
}

/** Throws `invalid` or `unsupported`, naming the option. */
export function bridgeOptions({ options }: NetworkConfig): BridgeOptions {
  for (const key of Object.keys(options)) checkKnown(key, options[key] ?? "");
  const bridgeName = options[OPTION_BRIDGE_NAME];
  const hostAddress = options[OPTION_HOST_IPV4];
  if (bridgeName !== undefined) checkLinkName(bridgeName);
  if (hostAddress !== undefined) checkAddress(OPTION_HOST_IPV4, hostAddress);
  const hostBinding = options[OPTION_HOST_BINDING] ?? "";
  if (hostBinding !== "") checkAddress(OPTION_HOST_BINDING, hostBinding);
  return {
    ...(bridgeName === undefined ? {} : { bridgeName }),
    ...(hostAddress === undefined ? {} : { hostAddress }),
    icc: flagOption(options, OPTION_ICC, true),
    masquerade: flagOption(options, OPTION_MASQUERADE, true),
    hostBinding: hostBinding === "" ? "0.0.0.0" : hostBinding,
    mtu: mtuOption(options[OPTION_MTU]),
    hidden: flagOption(options, OPTION_HIDDEN, false),
    noMasquerade: (options[OPTION_NO_MASQUERADE] ?? "").split(",").filter((range) => range !== ""),
  };
}

const KNOWN: ReadonlySet<string> = new Set([
  OPTION_BRIDGE_NAME,
  OPTION_DEFAULT_BRIDGE,
  OPTION_ICC,
  OPTION_MASQUERADE,
  OPTION_HOST_BINDING,
  OPTION_HOST_IPV4,
  OPTION_MTU,
  OPTION_HIDDEN,
  OPTION_NO_MASQUERADE,
]);

function checkKnown(key: string, value: string): void {
  if (KNOWN.has(key)) return;
  if (GATEWAY_MODES.includes(key)) {
    if (value === "" || value === "nat") return;
    throw new GantryError("unsupported", `network option ${key}=${value}: only "nat" is supported`);
  }
  throw new GantryError("unsupported", `network option ${key} is not supported`);
}

function checkLinkName(name: string): void {
  if (/^[^\s/:]+$/.test(name) && Buffer.byteLength(name) <= LINK_NAME_BYTES && name !== "." && name !== "..") return;
  throw new GantryError(
    "invalid",
    `invalid bridge name "${name}": a link's name has 1 to ${LINK_NAME_BYTES} characters, none of them a space, "/" or ":"`,
  );
}

function checkAddress(key: string, value: string): void {
  if (!isIPv4(value)) throw new GantryError("invalid", `network option ${key}: "${value}" is not an IPv4 address`);
}

function flagOption(options: NetworkConfig["options"], key: string, absent: boolean): boolean {
  const value = options[key];
  if (value === undefined || value === "") return absent;
  // As Go's strconv.ParseBool, which Docker uses.
  if (["1", "t", "T", "true", "TRUE", "True"].includes(value)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(value)) return false;
  throw new GantryError("invalid", `network option ${key}: "${value}" is neither true nor false`);
}

function mtuOption(value: string | undefined): number {
  if (value === undefined || value === "" || value === "0") return DEFAULT_MTU;
  const mtu = Number(value);
  if (Number.isInteger(mtu) && mtu >= 68 && mtu <= 65_535) return mtu;
  throw new GantryError("invalid", `network option ${OPTION_MTU}: "${value}" is not between 68 and 65535`);
}
