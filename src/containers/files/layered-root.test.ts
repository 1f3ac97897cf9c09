import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { isGantryError } from "#base/errors.ts";
import { AT_FDCWD, lsetxattr, mknodat, S_IFCHR } from "#linux/syscalls.ts";
import { layeredRoot } from "./layered-root.ts";

const root = mkdtempSync(join(tmpdir(), "gantry-layered-"));
after(() => rmSync(root, { recursive: true }));
const skip = process.getuid?.() === 0 ? false : "needs root for whiteouts";

function layer(name: string, files: Record<string, string | { link: string } | "whiteout" | "opaque">): string {
  mkdirSync(join(root, name));
  for (const [path, content] of Object.entries(files)) {
    const place = join(root, name, path);
    mkdirSync(dirname(place), { recursive: true });
    if (typeof content === "object") symlinkSync(content.link, place);
    else if (content === "whiteout") mknodat(AT_FDCWD, place, S_IFCHR, { major: 0, minor: 0 });
    else if (content === "opaque") lsetxattr(place, "trusted.overlay.opaque", Buffer.from("y"));
    else if (path.endsWith("/")) mkdirSync(place);
    else writeFileSync(place, content);
  }
  return join(root, name);
}

test("files come from the top-most layer, as an overlay shows them", { skip }, () => {
  writeFileSync(join(root, "secret"), "the host's");
  const base = layer("base", {
    "etc/passwd": "base",
    "etc/group": "base group",
    "opt/a/x": "x",
    "var/log/old": "old",
    "usr/share/real": "real",
    "bin/sh": "shell",
  });
  const middle = layer("middle", {
    "etc/passwd": "middle",
    "opt/a/y": "y",
    "opt/a": "opaque",
    "var/log": "whiteout",
    lib: { link: "usr/share" },
    out: { link: "../../../secret" },
    absolute: { link: "/etc/../lib/real" },
    loop: { link: "loop" },
    "usr/share/up": { link: "../../etc/group" },
  });
  const upper = layer("upper", { "etc/group": "whiteout", bin: "a file over a directory", new: "new" });
  const view = layeredRoot({ kind: "overlay", lower: [middle, base], upper, work: "" });
  const read = (path: string): string | undefined => view.readText(path, 100);
  assert.equal(read("/etc/passwd"), "middle");
  assert.equal(read("etc/group"), undefined);
  assert.equal(read("/opt/a/y"), "y");
  assert.equal(read("/opt/a/x"), undefined);
  assert.equal(read("/var/log/old"), undefined);
  assert.equal(read("/lib/real"), "real");
  assert.equal(read("/absolute"), "real");
  assert.equal(read("/lib/up"), undefined);
  assert.equal(read("/bin/sh"), undefined);
  assert.equal(read("/new"), "new");
  assert.equal(read("/out"), undefined, "links stay inside");
  assert.equal(read("/../../../secret"), undefined);
  assert.equal(read("/loop"), undefined);
  assert.equal(read("/etc"), undefined);
  assert.equal(view.find("/opt")?.paths.length, 2);
  assert.equal(view.find("/opt/a")?.paths.length, 1);
  assert.equal(view.find("/usr/share/../share/real")?.stats.isFile(), true);
  assert.throws(
    () => view.readText("/etc/passwd", 3),
    (error) => isGantryError(error, "invalid"),
  );
});
