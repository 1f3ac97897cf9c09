import { mkdirSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import type { OciMount } from "#formats/oci-spec.ts";
import { planLaunch } from "../launch.ts";
import type { EngineContext } from "../lifecycle/context.ts";
import { INIT } from "../lifecycle/entry.ts";
import type { Shim } from "#linux/shim.ts";
import { runningRoot, type RunningRoot } from "./running-root.ts";

const SIGKILL = 9;

/**
 * Lets `use` at the root file system of a container that is down, with `mounts` in it: a short-lived process mounts it in a mount
 * namespace of its own, so that nothing is mounted on the host, and nothing is left whatever happens to us.
 */
export async function withMountedRoot<T>(
  context: Pick<EngineContext, "images" | "places" | "shims">,
  id: string,
  mounts: readonly OciMount[],
  use: (root: RunningRoot) => Promise<T>,
): Promise<T> {
  const snapshot = context.images.snapshot(id);
  mkdirSync(context.places.helpers, { recursive: true, mode: 0o700 });
  const directory = await mkdtemp(join(context.places.helpers, "mount-"));
  let shim: Shim | undefined;
  try {
    shim = await context.shims.start(directory);
    const plan = planLaunch(
      {
        ociVersion: "1.2.0",
        process: { user: { uid: 0, gid: 0 }, args: [], cwd: "/" },
        root: { path: "" },
        mounts: [...mounts],
        linux: { namespaces: [{ type: "mount" }] },
      },
      { ...(snapshot && { root: snapshot.mount }), id, pause: "none", sandbox: true },
    );
    const { pid } = await shim.spawn(INIT, plan, { stdin: "none" });
    const root = runningRoot(pid);
    try {
      return await use(root);
    } finally {
      root.close();
    }
  } finally {
    await endHelper(shim);
    rmSync(directory, { recursive: true, force: true });
  }
}

async function endHelper(shim: Shim | undefined): Promise<void> {
  if (!shim) return;
  const ended = new Promise<void>((resolve) => {
    shim.events.on(({ kind }) => {
      if (kind === "exit" || kind === "lost") resolve();
    });
  });
  // Without a process when its launch failed.
  const alive = await shim.signal(INIT, SIGKILL).catch(() => false);
  if (alive) await ended;
  await shim.acknowledge(INIT).catch(() => undefined);
  shim.disconnect();
}
