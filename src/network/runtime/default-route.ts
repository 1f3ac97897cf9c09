import { inNetns, openNetns } from "#linux/netns.ts";
import { openRtnetlink } from "#linux/rtnetlink.ts";
import { close, isSyscallError } from "#linux/syscalls.ts";
import type { StoredEndpoint } from "../state/network-files.ts";
import { endpointsOf, type Runtime } from "./runtime.ts";

/**
 * Leads an owner's default routes, one for each family, through the first of the networks in `order` that has a gateway of that family.
 * Without any the routes stay as they are: those through a network that was left went with its link.
 */
export function routeThrough(runtime: Runtime, owner: string, order: readonly string[]): void {
  const endpoints = endpointsOf(runtime, { owner });
  const leading = order
    .flatMap((networkId) => endpoints.filter((each) => each.networkId === networkId))
    .filter(({ hostLink, networkId }) => hostLink !== "" && !runtime.networks.get(networkId)?.network.internal);
  const ipv4 = leading.find(({ gateway }) => gateway !== "");
  const ipv6 = leading.find(({ ipv6Gateway }) => ipv6Gateway !== "");
  for (const endpoint of endpoints) remember(runtime, endpoint, endpoint === ipv4 || endpoint === ipv6);
  const [first] = leading;
  if (!first) return;
  const netns = openLive(first);
  // It has ended meanwhile, and its routes with it.
  if (netns === undefined) return;
  try {
    inNetns({ fd: netns }, () => {
      setDefault(ipv4?.interfaceName, ipv4?.gateway);
      setDefault(ipv6?.interfaceName, ipv6?.ipv6Gateway);
    });
  } finally {
    close(netns);
  }
}

function openLive({ netnsPath, pid }: StoredEndpoint): number | undefined {
  try {
    return openNetns(netnsPath ?? pid);
  } catch (error) {
    if (isSyscallError(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}

function remember({ files, endpoints }: Runtime, endpoint: StoredEndpoint, defaultGateway: boolean): void {
  if (endpoint.defaultGateway === defaultGateway) return;
  const changed = { ...endpoint, defaultGateway };
  files.saveEndpoint(changed);
  endpoints.set(endpoint.id, changed);
}

function setDefault(interfaceName: string | undefined, gateway: string | undefined): void {
  if (interfaceName === undefined || gateway === undefined) return;
  const inside = openRtnetlink();
  try {
    inside.setRoute({ gateway, link: inside.link(interfaceName)?.index ?? 0 });
  } finally {
    inside.close();
  }
}
