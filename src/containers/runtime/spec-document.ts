import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { MASKED_PATHS, READONLY_PATHS } from "#formats/docker-defaults.ts";
import type { OciSpec } from "#formats/oci-spec.ts";
import { DEFAULT_MOUNTS } from "../spec/defaults.ts";
import type { Flags } from "./options.ts";

/** `spec`: a bundle's config.json to begin with, as runc's (a shell in a terminal, few capabilities). Throws `already-exists`. */
export function specCommand(flags: Flags): void {
  if (flags.has("rootless")) throw new GantryError("unsupported", "--rootless is not supported", { flag: "rootless" });
  const path = join(flags.text("bundle") || ".", "config.json");
  if (existsSync(path)) throw new GantryError("already-exists", "File config.json exists. Remove it first", { path });
  writeFileSync(path, `${JSON.stringify(defaultSpec(), null, "\t")}\n`, { mode: 0o666 });
}

function defaultSpec(): OciSpec {
  const capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
  return {
    ociVersion: "1.2.0",
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "gantry",
    mounts: DEFAULT_MOUNTS.map((mount) =>
      mount.type === "cgroup" ? { ...mount, options: [...(mount.options ?? []), "relatime"] } : { ...mount },
    ),
    linux: {
      resources: { devices: [{ allow: false, access: "rwm" }] },
      namespaces: (["pid", "network", "ipc", "uts", "mount", "cgroup"] as const).map((type) => ({ type })),
      maskedPaths: [...MASKED_PATHS],
      readonlyPaths: [...READONLY_PATHS],
    },
  };
}
