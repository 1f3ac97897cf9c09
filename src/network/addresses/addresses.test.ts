import assert from "node:assert/strict";
import { test } from "node:test";
import { isGantryError } from "#base/errors.ts";
import { seededRandom } from "#base/random.ts";
import { addressPool, defaultGateway, macOf } from "./address-pool.ts";
import { chooseDefaultPool, chooseIpv6Pool } from "./default-pools.ts";
import { overlaps, parseCidr, parsePrefix, prefixText } from "./prefix.ts";

test("a CIDR block is parsed strictly, host bits apart", () => {
  const cidr = parseCidr("172.17.0.1/16");
  assert.equal(cidr && prefixText(cidr.prefix), "172.17.0.0/16");
  assert.equal(prefixText(parsePrefix("fd00:1::5/64")), "fd00:1::/64");
  for (const wrong of [
    "",
    "10.0.0.0",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "fd00::/129",
    "x/8",
    "10.0.0.0/ 8",
  ])
    assert.equal(parseCidr(wrong), undefined, wrong);
});

test("ranges overlap when one holds the other, in either order, within a family", () => {
  assert.ok(overlaps(parsePrefix("10.0.0.0/8"), parsePrefix("10.1.2.0/24")));
  assert.ok(overlaps(parsePrefix("10.1.2.0/24"), parsePrefix("10.0.0.0/8")));
  assert.ok(!overlaps(parsePrefix("10.1.2.0/24"), parsePrefix("10.1.3.0/24")));
  assert.ok(!overlaps(parsePrefix("0.0.0.0/0"), parsePrefix("::/0")));
});

test("default pools come in Docker's order and are skipped when taken", () => {
  assert.equal(prefixText(chooseDefaultPool([])), "172.17.0.0/16");
  assert.equal(prefixText(chooseDefaultPool([parsePrefix("172.16.0.0/14")])), "172.20.0.0/16");
  assert.equal(prefixText(chooseDefaultPool([parsePrefix("172.0.0.0/8")])), "192.168.0.0/20");
  assert.throws(
    () => chooseDefaultPool([parsePrefix("172.0.0.0/8"), parsePrefix("192.168.0.0/16")]),
    /all predefined address pools have been fully subnetted/,
  );
  assert.match(prefixText(chooseIpv6Pool(seededRandom(1))), /^fd.*::\/64$/);
});

test("the lowest free address is given out; gateway, network, broadcast and reserved ones never", () => {
  const pool = addressPool({ subnet: parsePrefix("10.9.0.0/29"), gateway: "10.9.0.1", reserved: ["10.9.0.3"] });
  assert.deepEqual([pool.take(), pool.take(), pool.take()], ["10.9.0.2", "10.9.0.4", "10.9.0.5"]);
  assert.equal(pool.take(), "10.9.0.6");
  assert.throws(
    () => pool.take(),
    (error) => isGantryError(error, "unavailable"),
  );
  pool.release("10.9.0.4");
  assert.equal(pool.take(), "10.9.0.4");
});

test("a wanted address must be free and in the subnet, and may lie outside the range", () => {
  const pool = addressPool({
    subnet: parsePrefix("10.9.0.0/24"),
    gateway: "10.9.0.1",
    range: parsePrefix("10.9.0.128/25"),
    reserved: [],
  });
  assert.equal(pool.take(), "10.9.0.128");
  assert.equal(pool.take("10.9.0.9"), "10.9.0.9");
  assert.throws(() => pool.take("10.9.0.9"), /Address already in use/);
  assert.throws(() => pool.take("10.9.0.1"), /Address already in use/);
  assert.throws(() => pool.take("10.8.0.1"), /no configured subnet contains IP address 10.8.0.1/);
});

test("a subnet of two addresses gives both out", () => {
  const pool = addressPool({ subnet: parsePrefix("10.9.0.0/31"), gateway: "", reserved: [] });
  assert.deepEqual([pool.take(), pool.take()], ["10.9.0.0", "10.9.0.1"]);
});

test("gateway and link address follow from the range", () => {
  assert.equal(defaultGateway(parsePrefix("172.18.0.0/16"), undefined, []), "172.18.0.1");
  assert.equal(defaultGateway(parsePrefix("172.18.0.0/16"), parsePrefix("172.18.5.0/24"), []), "172.18.5.0");
  assert.equal(macOf("172.17.0.2"), "02:42:ac:11:00:02");
});
