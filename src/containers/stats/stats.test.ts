import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNetDev } from "./stats.ts";

test("interface counters", () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       2    0    0    0     0          0         0      100       2    0    0    0     0       0          0
  eth0:12345678901       7    1    2    0     0          0         3      806       9    4    5    0     0       0          0
`;
  assert.deepEqual(parseNetDev(text), {
    eth0: {
      rxBytes: 12_345_678_901,
      rxPackets: 7,
      rxErrors: 1,
      rxDropped: 2,
      txBytes: 806,
      txPackets: 9,
      txErrors: 4,
      txDropped: 5,
    },
  });
});
