import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "./digest.ts";
import type { Platform } from "./image-config.ts";
import { formatPlatform, hostPlatform, parsePlatform, selectPlatform } from "./image-platform.ts";

test("platforms are read in every spelling", () => {
  const cases: [string, string][] = [
    ["linux/amd64", "linux/amd64"],
    ["Linux/X86_64", "linux/amd64"],
    ["linux/aarch64", "linux/arm64"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/arm64/8", "linux/arm64"],
    ["linux/arm", "linux/arm/v7"],
    ["armel", "linux/arm/v6"],
    ["riscv64", "linux/riscv64"],
    ["windows", `windows/${hostPlatform().architecture}`],
  ];
  for (const [text, expected] of cases) assert.equal(formatPlatform(parsePlatform(text)), expected);
  assert.throws(() => parsePlatform("a/b/c/d"), {
    message: '"a/b/c/d": cannot parse platform specifier: invalid argument',
  });
  assert.throws(() => parsePlatform("toaster"), {
    message: '"toaster": unknown operating system or architecture: invalid argument',
  });
  assert.throws(() => parsePlatform("linux/*"), { message: /"\*" is an invalid component of "linux\/\*"/ });
});

test("the best entry of an index is chosen", () => {
  const entry = (text: string, platform: Platform | undefined = parsePlatform(text)) => ({
    mediaType: "",
    digest: digestOf(text),
    size: 1,
    ...(platform ? { platform } : {}),
  });
  const entries = ["linux/arm/v6", "linux/386", "linux/arm64", "linux/amd64", "linux/arm/v7"].map((text) =>
    entry(text),
  );
  const attestation = entry("attestation", { os: "unknown", architecture: "unknown" });
  const chosen = (text: string): string | undefined =>
    selectPlatform([attestation, ...entries], parsePlatform(text))?.digest;
  assert.equal(chosen("linux/amd64"), digestOf("linux/amd64"));
  assert.equal(chosen("linux/arm"), digestOf("linux/arm/v7"));
  assert.equal(chosen("linux/arm64/v8"), digestOf("linux/arm64"));
  assert.equal(chosen("linux/arm/v5"), undefined);
  assert.equal(chosen("linux/s390x"), undefined);
  assert.equal(chosen("windows/amd64"), undefined);
  assert.equal(selectPlatform([entry("linux/386")], parsePlatform("linux/amd64"))?.digest, digestOf("linux/386"));
  assert.equal(
    selectPlatform([{ mediaType: "", digest: digestOf("x"), size: 1 }], parsePlatform("s390x"))?.digest,
    digestOf("x"),
  );
});
