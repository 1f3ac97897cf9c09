import { GantryError } from "#base/errors.ts";
import type { OciNamespaceType, OciSpec } from "#formats/oci-spec.ts";
import type { Step } from "#linux/launch-plan.ts";

/** Of the IPC namespace, beside all of fs.mqueue. */
const IPC: ReadonlySet<string> = new Set(
  ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"].map(
    (name) => `kernel.${name}`,
  ),
);

/** Kernel parameters that belong to the container's own namespaces; any other would be the host's. Runc's rules and words. */
export function sysctlSteps(spec: OciSpec): readonly Step[] {
  const own = new Set(spec.linux?.namespaces?.map(({ type }) => type));
  return Object.entries(spec.linux?.sysctl ?? {}).map(([name, value]) => {
    const dotted = normalize(name);
    check(dotted, name, own);
    // The kernel takes one value a line; more would be another parameter's in files that take several.
    if (/[\n\0]/.test(value)) throw refusal(`the value of sysctl ${JSON.stringify(name)} has more than one line`);
    return { step: "sysctl", path: pathOf(dotted), value };
  });
}

/** Either separator may be used, and the other one then is part of a name (an interface "eth0.100"), as sysctl(8) has it. */
function normalize(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  return first === "/" ? name.replace(/[./]/g, (separator) => (separator === "/" ? "." : "/")) : name;
}

function pathOf(dotted: string): string {
  return dotted.replace(/[./]/g, (separator) => (separator === "." ? "/" : "."));
}

function check(dotted: string, name: string, own: ReadonlySet<OciNamespaceType>): void {
  const parts = dotted.split(".");
  if (
    !/^[a-zA-Z0-9_][a-zA-Z0-9_./:@-]*$/.test(dotted) ||
    parts.includes("") ||
    pathOf(dotted).split("/").includes("..")
  ) {
    throw refusal(`invalid sysctl name ${JSON.stringify(name)}`);
  }
  if (IPC.has(dotted) || dotted.startsWith("fs.mqueue.")) {
    if (own.has("ipc")) return;
    throw refusal(`sysctl "${name}" is not allowed in the hosts ipc namespace`);
  }
  if (dotted.startsWith("net.")) {
    if (own.has("network")) return;
    throw refusal(`sysctl "${name}" not allowed in host network namespace`);
  }
  if (own.has("uts") && dotted === "kernel.domainname") return;
  if (own.has("uts") && dotted === "kernel.hostname") {
    throw refusal(`sysctl "${name}" is not allowed as it conflicts with the OCI "hostname" field`);
  }
  throw refusal(`sysctl "${name}" is not in a separate kernel namespace`);
}

function refusal(message: string): GantryError {
  return new GantryError("invalid", message, { field: "linux.sysctl" });
}
