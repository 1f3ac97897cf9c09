import type { Network } from "#network/networks.ts";
import type { NetworkAttachment } from "../engine.ts";

/**
 * The ids of a container's networks in the order in which they are asked for a default route: by the priority that a user gave, those with a
 * way out before internal ones, those with both families before others, then by name (moby, libnetwork/sandbox.go, Endpoint.Less).
 */
export function gatewayOrder(
  attachments: readonly NetworkAttachment[],
  find: (reference: string) => Network | undefined,
): readonly string[] {
  return attachments
    .flatMap((attachment) => {
      const network = find(attachment.network);
      return network ? [{ network, priority: attachment.gatewayPriority ?? 0 }] : [];
    })
    .toSorted(
      (a, b) =>
        b.priority - a.priority ||
        Number(a.network.internal) - Number(b.network.internal) ||
        Number(b.network.enableIPv6) - Number(a.network.enableIPv6) ||
        (a.network.name < b.network.name ? -1 : 1),
    )
    .map(({ network }) => network.id);
}
