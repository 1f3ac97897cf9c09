import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOsRelease } from "./read-host.ts";

test("os-release values with and without quotes", () => {
  assert.deepEqual(parseOsRelease("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nX='a b'\n# no\n"), {
    PRETTY_NAME: "Debian GNU/Linux 12 (bookworm)",
    ID: "debian",
    X: "a b",
  });
});
