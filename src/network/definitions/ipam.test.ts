import assert from "node:assert/strict";
import { test } from "node:test";
import { isGantryError } from "#base/errors.ts";
import { seededRandom } from "#base/random.ts";
import type { NetworkConfig } from "../networks.ts";
import { parsePrefix } from "../addresses/prefix.ts";
import { checkRanges, resolveRanges } from "./ipam.ts";
import { bridgeOptions } from "./options.ts";

const config = (change: Partial<NetworkConfig>): NetworkConfig => ({
  name: "n",
  driver: "bridge",
  internal: false,
  attachable: false,
  enableIPv6: false,
  ipam: [],
  options: {},
  labels: {},
  ...change,
});
const resolve = (change: Partial<NetworkConfig>, taken: string[] = [], routed: string[] = []): NetworkConfig["ipam"] =>
  resolveRanges(config(change), taken.map(parsePrefix), routed.map(parsePrefix), seededRandom(1));

test("faults in ranges come in Docker's words, all at once", () => {
  assert.throws(() => checkRanges([{ subnet: "10.0.0.1/8" }], false), {
    message: "invalid network config:\ninvalid subnet 10.0.0.1/8: it should be 10.0.0.0/8",
  });
  assert.throws(
    () =>
      checkRanges(
        [{ subnet: "10.0.0.0/8", gateway: "11.0.0.1", ipRange: "11.0.0.0/16", auxAddresses: { a: "x" } }],
        false,
      ),
    {
      message:
        "invalid network config:\n* invalid ip-range 11.0.0.0/16: parent subnet 10.0.0.0/8 doesn't contain ip-range\n" +
        "* invalid gateway 11.0.0.1: parent subnet 10.0.0.0/8 doesn't contain this address\n* invalid auxiliary address a: invalid address",
    },
  );
  assert.throws(() => checkRanges([{ subnet: "ten" }], false), /invalid subnet ten: invalid CIDR block notation/);
  checkRanges([{ subnet: "fd00::1/64" }], false);
});

test("what was left open is chosen: a default pool clear of networks and routes, the first address as gateway", () => {
  assert.deepEqual(resolve({}), [{ subnet: "172.17.0.0/16", gateway: "172.17.0.1" }]);
  assert.deepEqual(resolve({}, ["172.17.0.0/16"], ["172.18.4.0/24"]), [
    { subnet: "172.19.0.0/16", gateway: "172.19.0.1" },
  ]);
  assert.deepEqual(
    resolve({ ipam: [{ subnet: "10.5.0.0/24", auxAddresses: { router: "10.5.0.1" } }] })[0]?.gateway,
    "10.5.0.2",
  );
  const both = resolve({ enableIPv6: true });
  assert.match(both[1]?.gateway ?? "", /^fd.*::1$/);
});

test("a subnet may overlap what the host routes, not another network", () => {
  assert.equal(resolve({ ipam: [{ subnet: "10.5.0.0/24" }] }, [], ["10.0.0.0/8"]).length, 1);
  assert.throws(
    () => resolve({ ipam: [{ subnet: "10.5.0.0/24" }] }, ["10.0.0.0/8"]),
    (error) =>
      isGantryError(error, "forbidden") &&
      error.message === "invalid pool request: Pool overlaps with other one on this address space",
  );
  assert.throws(() => resolve({ ipam: [{ subnet: "10.5.0.0/24" }, { subnet: "10.6.0.0/24" }] }), /multiple subnets/);
});

test("driver options are read as Docker reads them; what is unknown is refused by name", () => {
  const options = bridgeOptions(
    config({ options: { "com.docker.network.bridge.enable_icc": "false", "com.docker.network.driver.mtu": "1400" } }),
  );
  assert.deepEqual([options.icc, options.masquerade, options.mtu, options.hostBinding], [false, true, 1400, "0.0.0.0"]);
  const refused = (key: string, value: string): RegExp | undefined => {
    try {
      bridgeOptions(config({ options: { [key]: value } }));
      return undefined;
    } catch (error) {
      return new RegExp(isGantryError(error) ? error.code : "?");
    }
  };
  assert.match("unsupported", refused("com.example.what", "1") ?? /$a/);
  assert.match("unsupported", refused("com.docker.network.bridge.gateway_mode_ipv4", "routed") ?? /$a/);
  assert.match("invalid", refused("com.docker.network.driver.mtu", "60") ?? /$a/);
  assert.match("invalid", refused("com.docker.network.bridge.name", "much-too-long-a-name") ?? /$a/);
  assert.match("invalid", refused("com.docker.network.bridge.enable_icc", "yes") ?? /$a/);
  assert.equal(refused("com.docker.network.bridge.gateway_mode_ipv4", "nat"), undefined);
});
