import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { withPackages } from "../../scripts/test-images/packages.ts";

const run = promisify(execFile);
const CACHE = join(import.meta.dirname, "../../.cache/tools/skopeo");
const PACKAGES = ["skopeo", "libgpgme11", "libassuan0", "libgpg-error0", "libdevmapper1.02.1"];

/** Runs skopeo, out of its Debian package, which is unpacked but not installed. Rejects with its error output. */
export async function skopeo(...args: string[]): Promise<string> {
  await unpack();
  const libraries = ["usr/lib", "lib"].flatMap((base) =>
    ["x86_64", "aarch64"].map((name) => join(CACHE, base, `${name}-linux-gnu`)),
  );
  // Its memory of blobs starts anew each time, and is not in the machine's own /var/lib/containers.
  const memory = await mkdtemp(join(tmpdir(), "gantry-skopeo-"));
  const own = { _CONTAINERS_ROOTLESS_UID: "1", XDG_DATA_HOME: memory, XDG_RUNTIME_DIR: memory };
  const env = { ...process.env, ...own, LD_LIBRARY_PATH: libraries.join(":") };
  try {
    const { stdout } = await run(join(CACHE, "usr/bin/skopeo"), ["--policy", join(CACHE, "policy.json"), ...args], {
      env,
    });
    return stdout;
  } finally {
    await rm(memory, { recursive: true, force: true });
  }
}

let unpacking: Promise<void> | undefined;

function unpack(): Promise<void> {
  unpacking ??= unpackOnce();
  return unpacking;
}

async function unpackOnce(): Promise<void> {
  if (await stat(CACHE).catch(() => undefined)) return;
  const temporary = `${CACHE}.${process.pid}`;
  await mkdir(temporary, { recursive: true });
  await withPackages(PACKAGES, (root) => cp(root, temporary, { recursive: true, verbatimSymlinks: true }));
  await writeFile(join(temporary, "policy.json"), '{"default":[{"type":"insecureAcceptAnything"}]}');
  await rename(temporary, CACHE);
}
