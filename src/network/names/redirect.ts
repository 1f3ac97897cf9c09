/** Inside a container: what is sent to 127.0.0.11, port 53, goes to wherever the name server could bind. */
import { change, openNftables, PRIORITY, type Table } from "#linux/nftables.ts";
import * as r from "#linux/nft-rules.ts";

export const NAME_SERVER_ADDRESS = "127.0.0.11";
const TABLE: Table = { family: "ip", name: "gantry-names" };

/**
 * In the namespace that the thread is in. The server does not bind port 53 itself, so that a container may serve DNS on
 * every address of its own.
 */
export function redirectNameServer(port: number): void {
  const nft = openNftables();
  const to = r.is(r.ip.daddr, NAME_SERVER_ADDRESS);
  try {
    nft.apply([
      change.addTable(TABLE),
      change.deleteTable(TABLE),
      change.addTable(TABLE),
      change.addChain(TABLE, "output", { type: "nat", at: "output", priority: PRIORITY.dstnat }),
      ...["udp", "tcp"].map((protocol) =>
        change.addRule(TABLE, "output", [
          to,
          r.is(r.l4proto, protocol),
          r.is(r.dport, 53),
          r.dnat("ip", NAME_SERVER_ADDRESS, port),
        ]),
      ),
    ]);
  } finally {
    nft.close();
  }
}
