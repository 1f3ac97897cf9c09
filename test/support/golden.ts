/** Golden files: what a pure function gives, written down. `bin/node FILE --update` writes them anew. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const folder = new URL("../golden/", import.meta.url).pathname;

/** Fails unless `text` is what `test/golden/<name>` holds. */
export function golden(name: string, text: string): void {
  const path = join(folder, name);
  if (process.argv.includes("--update")) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return;
  }
  assert.equal(
    text,
    readFileSync(path, "utf8"),
    `differs from test/golden/${name}; look, then run the test file with --update`,
  );
}
