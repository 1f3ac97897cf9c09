import { posix } from "node:path";
import { isIP } from "node:net";
import { GantryError } from "#base/errors.ts";
import type { DockerConfig, DockerHostConfig } from "./docker-config.ts";

/** One millisecond in nanoseconds: the shortest time of a health check. */
const MINIMUM_DURATION = 1_000_000;

/** Checks of the Config document that need nothing but it, in Docker's words (moby daemon/container.go). */
export function validateConfig(config: DockerConfig): void {
  if (config.WorkingDir && !posix.isAbsolute(config.WorkingDir)) {
    throw invalid(
      `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`,
      "WorkingDir",
    );
  }
  for (const entry of config.Env ?? []) {
    if (entry === "" || entry.startsWith("=")) throw invalid(`invalid environment variable: ${entry}`, "Env");
  }
  if (config.StopTimeout !== undefined && config.StopTimeout < -1)
    throw invalid(`invalid StopTimeout: ${config.StopTimeout}`, "StopTimeout");
  validateHealthcheck(config.Healthcheck);
}

function validateHealthcheck(check: DockerConfig["Healthcheck"]): void {
  if (!check) return;
  for (const field of ["Interval", "Timeout", "StartPeriod", "StartInterval"] as const) {
    const value = check[field] ?? 0;
    if (value !== 0 && value < MINIMUM_DURATION)
      throw invalid(`${field} in Healthcheck cannot be less than 1ms`, `Healthcheck.${field}`);
  }
  if ((check.Retries ?? 0) < 0) throw invalid("Retries in Healthcheck cannot be negative", "Healthcheck.Retries");
}

/** Modes that do not go together, in Docker's words (moby runconfig/hostconfig_unix.go). */
export function validateModes(config: DockerConfig, host: DockerHostConfig): void {
  checkMode("IPC", host.IpcMode, ["", "none", "private", "shareable", "host"], true);
  checkMode("PID", host.PidMode, ["", "host"], true);
  checkMode("UTS", host.UTSMode, ["", "host"], false);
  checkMode("user namespace", host.UsernsMode, ["", "host"], false);
  checkMode("cgroup namespace", host.CgroupnsMode, ["", "private", "host"], false);
  if (host.Isolation && host.Isolation !== "default")
    throw invalid(`invalid isolation (${host.Isolation}): linux only supports 'default'`, "Isolation");
  if (host.UTSMode === "host" && config.Hostname)
    throw invalid("conflicting options: hostname and the UTS mode", "Hostname");
  if (host.UTSMode === "host" && config.Domainname)
    throw invalid("conflicting options: domainname and the UTS mode", "Domainname");
  if ((host.ShmSize ?? 0) < 0) throw invalid("SHM size can not be less than 0", "ShmSize");
  const adjustment = host.OomScoreAdj ?? 0;
  if (adjustment < -1000 || adjustment > 1000)
    throw invalid(`Invalid value ${adjustment}, range for oom score adj is [-1000, 1000]`, "OomScoreAdj");
  validateNetworkMode(config, host);
}

function checkMode(kind: string, mode: string | undefined, allowed: readonly string[], container: boolean): void {
  if (mode === undefined || allowed.includes(mode)) return;
  if (container && /^container:.+/.test(mode)) return;
  throw invalid(`invalid ${kind} mode: ${mode}`, kind);
}

function validateNetworkMode(config: DockerConfig, host: DockerHostConfig): void {
  const mode = host.NetworkMode ?? "";
  const shared = mode.startsWith("container:");
  if (mode === "container:" || mode === "container")
    throw invalid("invalid network mode: invalid container format container:<name|id>", "NetworkMode");
  if (shared && config.Hostname) throw invalid("conflicting options: hostname and the network mode", "Hostname");
  if (!shared && mode !== "host") return;
  const kind = shared ? "container type network" : "host type networking";
  if (host.Links?.length)
    throw invalid(
      `conflicting options: ${kind} can't be used with links. This would result in undefined behavior`,
      "Links",
    );
  if (shared && host.Dns?.length) throw invalid("conflicting options: dns and the network mode", "Dns");
  if (shared && host.ExtraHosts?.length)
    throw invalid("conflicting options: custom host-to-IP mapping and the network mode", "ExtraHosts");
  if (config.MacAddress) throw invalid("conflicting options: mac-address and the network mode", "MacAddress");
  if (!shared) return;
  if (host.PublishAllPorts || Object.keys(host.PortBindings ?? {}).length > 0) {
    throw invalid("conflicting options: port publishing and the container type network mode", "PortBindings");
  }
  if (Object.keys(config.ExposedPorts ?? {}).length > 0) {
    throw invalid("conflicting options: port exposing and the container type network mode", "ExposedPorts");
  }
}

/** Kernel parameters that belong to a namespace of the container's own (runc libcontainer/configs/validate). */
const IPC_SYSCTLS = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
]);

/** Refuses parameters of the host in runc's words, and names that could smuggle in another. */
export function validateSysctls(sysctls: Readonly<Record<string, string>>, host: DockerHostConfig): void {
  for (const [name, value] of Object.entries(sysctls)) {
    if (!/^[a-zA-Z0-9_./-]+$/.test(name) || name.includes("..") || /[\n\0]/.test(value))
      throw invalid(`invalid sysctl ${JSON.stringify(name)}`, "Sysctls");
    const key = name.replaceAll("/", ".");
    if (key.startsWith("net.")) {
      if (host.NetworkMode === "host")
        throw invalid(`sysctl "${name}" not allowed in host network namespace`, "Sysctls");
    } else if (IPC_SYSCTLS.has(key) || key.startsWith("fs.mqueue.")) {
      if (host.IpcMode === "host")
        throw invalid(`sysctl "${name}" is not allowed in the hosts ipc namespace`, "Sysctls");
    } else if (key !== "kernel.domainname" || host.UTSMode === "host") {
      throw invalid(`sysctl "${name}" is not in a separate kernel namespace`, "Sysctls");
    }
  }
}

/** `ExtraHosts` as `name:address`, `host-gateway` put in place. Throws `invalid` in Docker's words. */
export function parseExtraHosts(entries: readonly string[], hostGateway: string | undefined): string[] {
  return entries.map((entry) => {
    const at = entry.search(/[:=]/);
    const name = at < 0 ? "" : entry.slice(0, at);
    const address = at < 0 ? "" : entry.slice(at + 1).replace(/^\[(.*)\]$/, "$1");
    if (name === "" || address === "") throw invalid(`bad format for add-host: ${JSON.stringify(entry)}`, "ExtraHosts");
    if (address === "host-gateway") {
      if (hostGateway === undefined) throw invalid("unable to derive the IP value for host-gateway", "ExtraHosts");
      return `${name}:${hostGateway}`;
    }
    if (isIP(address) === 0) throw invalid(`invalid IP address in add-host: ${JSON.stringify(address)}`, "ExtraHosts");
    return `${name}:${address}`;
  });
}

function invalid(message: string, field: string): GantryError {
  return new GantryError("invalid", message, { field });
}
