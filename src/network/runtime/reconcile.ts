/** After a restart: what lives is taken up again, everything else of ours is removed from the host. */
import { errorText } from "#base/errors.ts";
import { openNetns } from "#linux/netns.ts";
import { close, isSyscallError } from "#linux/syscalls.ts";
import { bridgeAlias } from "../bridge/bridge-link.ts";
import { restoreForwarding } from "../bridge/forwarding.ts";
import type { StoredEndpoint } from "../state/network-files.ts";
import { detach, netnsIdentity, plugIn, publishedPorts, targetOf } from "./attach.ts";
import { bringUp, liveNetwork } from "./live-network.ts";
import { bootId, type LiveNetwork, type Runtime } from "./runtime.ts";

/** Takes the definitions over from the files and makes their bridges and rules. A network that cannot be brought up is logged. */
export function restoreNetworks(runtime: Runtime): void {
  const state = runtime.files.loadNetworks();
  if (!state) return;
  // After a boot the switch is as the machine's owner set it.
  if (state.bootId === bootId()) runtime.switchedOn = state.switchedOn;
  restoreForwarding(runtime.switchedOn, runtime.nft);
  for (const network of state.networks) runtime.networks.set(network.id, liveNetwork(network));
  for (const live of runtime.networks.values()) {
    try {
      bringUp(runtime, live);
    } catch (error) {
      runtime.logger.error({ network: live.network.name, error: errorText(error) }, "could not bring a network up");
    }
  }
}

/** Takes every endpoint of the files over, with its addresses and ports, until reconcile says who lives. */
export function restoreEndpoints(runtime: Runtime): void {
  for (const endpoint of runtime.files.loadEndpoints()) {
    const live = runtime.networks.get(endpoint.networkId);
    if (!live) {
      runtime.files.removeEndpoint(endpoint.id);
      continue;
    }
    runtime.endpoints.set(endpoint.id, endpoint);
    takeAgain(live, endpoint);
    for (const port of endpoint.ports) {
      if (runtime.ports.retake(port, targetOf(endpoint, port))) continue;
      runtime.logger.warn(
        { port: port.hostPort, owner: endpoint.owner },
        "another process took a published port while Gantry was down",
      );
    }
  }
  runtime.rules.publish(Array.from(runtime.endpoints.values()).flatMap(publishedPorts));
}

function takeAgain({ bridge }: LiveNetwork, { ipv4, ipv6 }: StoredEndpoint): void {
  bridge?.ipv4.take(ipv4);
  if (ipv6 !== "") bridge?.ipv6?.take(ipv6);
}

/** What is cut off is to be flushed by the reaper then. */
export function reconcile(runtime: Runtime, liveOwners: ReadonlySet<string>): void {
  for (const endpoint of Array.from(runtime.endpoints.values())) {
    const alive =
      liveOwners.has(endpoint.owner) && netnsIdentity(endpoint.netnsPath ?? endpoint.pid) === endpoint.netns;
    if (alive) takeUp(runtime, endpoint);
    else detach(runtime, endpoint);
  }
  cutStrangers(runtime);
  runtime.rules.restore();
}

/** The link may have been lost (its bridge was deleted by hand); the name server certainly was. */
function takeUp(runtime: Runtime, endpoint: StoredEndpoint): void {
  const live = runtime.networks.get(endpoint.networkId);
  if (!live?.bridge) return;
  let netns: number | undefined;
  try {
    netns = openNetns(endpoint.netnsPath ?? endpoint.pid);
    if (!runtime.rtnetlink.link(endpoint.hostLink)) plugIn(runtime, live, live.bridge, endpoint, netns);
    rejoinBridge(runtime, live.bridge.name, endpoint.hostLink);
    runtime.names.join(endpoint, netns);
  } catch (error) {
    runtime.logger.error(
      { owner: endpoint.owner, error: errorText(error) },
      "could not take a container's network up again",
    );
  } finally {
    if (netns !== undefined) close(netns);
  }
}

function rejoinBridge({ rtnetlink }: Runtime, bridgeName: string, hostLink: string): void {
  const bridge = rtnetlink.link(bridgeName);
  const link = rtnetlink.link(hostLink);
  if (bridge && link && link.master !== bridge.index) rtnetlink.setLink(link.index, { master: bridge.index, up: true });
}

/** Ports of our bridges that belong to no endpoint: of attachments that a crash cut short. */
function cutStrangers({ rtnetlink, networks, endpoints, reaper }: Runtime): void {
  const bridges = new Set(Array.from(networks.values(), ({ bridge }) => bridge?.name));
  const known = new Set(Array.from(endpoints.values(), ({ hostLink }) => hostLink));
  const links = rtnetlink.links();
  const indexes = new Set(links.filter(({ name }) => bridges.has(name)).map(({ index }) => index));
  for (const link of links) {
    if (indexes.has(link.master) && link.kind === "veth" && !known.has(link.name)) reaper.cut(link.name);
  }
}

/** Bridges with our mark whose network is not there any more: of a crash, or of a state directory that was deleted. */
export function removeLostBridges({ rtnetlink, networks, instance, logger }: Runtime): void {
  const mark = bridgeAlias(instance, "");
  for (const link of rtnetlink.links()) {
    if (link.kind !== "bridge" || !link.alias.startsWith(mark) || networks.has(link.alias.slice(mark.length))) continue;
    try {
      rtnetlink.deleteLink(link.index);
    } catch (error) {
      if (!isSyscallError(error)) throw error;
      logger.warn({ link: link.name, error: error.message }, "could not remove a bridge that belongs to no network");
    }
  }
}
