import { openRtnetlink } from "#linux/rtnetlink.ts";

/** Leads this machine's packets for a node's pods to the node. Idempotent; the route goes with the link that it leads over. */
export function routeToNode(podCidr: string, nodeIp: string, bridgeName: string): void {
  const [address = "", length = ""] = podCidr.split("/");
  const rtnetlink = openRtnetlink();
  try {
    const link = rtnetlink.link(bridgeName)?.index ?? 0;
    rtnetlink.setRoute({ destination: { address, prefixLength: Number(length) }, gateway: nodeIp, link });
  } finally {
    rtnetlink.close();
  }
}
