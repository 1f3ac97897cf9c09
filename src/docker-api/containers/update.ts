import { GantryError } from "#base/errors.ts";
import type { Container } from "#containers/engine.ts";
import { resourceFields, restartPolicyDocument, type DockerHostConfig } from "#formats/docker-config.ts";
import { object } from "#formats/docker-json.ts";
import { checkResources, ociResources } from "#formats/docker-resources.ts";
import { parseRestartPolicy } from "#formats/docker-restart-policy.ts";
import type { Deps } from "../deps.ts";
import { jsonBody, param, type Handler } from "../http/call.ts";
import { json } from "../http/reply.ts";
import { deviceNumbers } from "./create/device-numbers.ts";
import { originOf } from "./documents.ts";

const updateRequest = object({ ...resourceFields, RestartPolicy: restartPolicyDocument });
type UpdateRequest = ReturnType<typeof updateRequest>;

/** Limits that an update may change (moby container/container_unix.go UpdateContainer); zero and "" leave one as it is. */
const UPDATABLE = [
  "BlkioWeight",
  "CpuShares",
  "NanoCpus",
  "CpuPeriod",
  "CpuQuota",
  "CpusetCpus",
  "CpusetMems",
  "Memory",
  "MemorySwap",
  "MemoryReservation",
  "CpuRealtimePeriod",
  "CpuRealtimeRuntime",
] as const;

/** POST /containers/{name}/update. */
export function updateHandler(deps: Deps): Handler {
  return async (call) => {
    const request = await jsonBody(call, updateRequest);
    const container = deps.engine.get(param(call));
    json(call.response, 200, { Warnings: await updateContainer(deps, container, request) });
  };
}

async function updateContainer(deps: Deps, container: Container, request: UpdateRequest): Promise<readonly string[]> {
  const { Config, HostConfig } = originOf(container);
  const current = HostConfig as DockerHostConfig;
  if (request.RestartPolicy?.Name && current.AutoRemove) {
    throw new GantryError(
      "conflict",
      "Restart policy cannot be updated because AutoRemove is enabled for the container",
    );
  }
  const asked = checkResources(request, deps.host.limits, true);
  const next = mergeLimits(container.id, current, asked.resources);
  const restartPolicy = request.RestartPolicy?.Name ? parseRestartPolicy(request.RestartPolicy, false) : undefined;
  if (restartPolicy && request.RestartPolicy) next.RestartPolicy = { MaximumRetryCount: 0, ...request.RestartPolicy };
  await deps.engine.update(container.id, {
    resources: { ...container.config.resources, ...ociResources(withoutNulls(next), deviceNumbers) },
    ...(restartPolicy && { restartPolicy }),
    origin: { ...container.config.origin, docker: { Config, HostConfig: next } },
  });
  return asked.warnings;
}

function mergeLimits(id: string, current: DockerHostConfig, asked: UpdateRequest): DockerHostConfig {
  refuseConflicts(id, current, asked);
  const next: Record<string, unknown> = { ...current };
  for (const field of UPDATABLE) if (asked[field]) next[field] = asked[field];
  if (asked.PidsLimit !== undefined) next["PidsLimit"] = asked.PidsLimit <= 0 ? 0 : asked.PidsLimit;
  if (asked.NanoCpus) Object.assign(next, { CpuPeriod: 0, CpuQuota: 0 });
  return next as DockerHostConfig;
}

/** In Docker's words. */
function refuseConflicts(id: string, current: DockerHostConfig, asked: UpdateRequest): void {
  const conflict = (message: string): GantryError =>
    new GantryError("internal", `Cannot update container ${id}: ${message}`);
  if (asked.CpuPeriod && current.NanoCpus)
    throw conflict("Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set");
  if (asked.CpuQuota && current.NanoCpus)
    throw conflict("Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
  if (asked.NanoCpus && current.CpuQuota)
    throw conflict("Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set");
  if (asked.NanoCpus && current.CpuPeriod)
    throw conflict("Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set");
  const swap = current.MemorySwap ?? 0;
  if (asked.Memory && !asked.MemorySwap && swap > 0 && asked.Memory > swap) {
    throw conflict(
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
  }
}

/** Inspect's document has null where nothing is set. */
function withoutNulls(host: DockerHostConfig): DockerHostConfig {
  return Object.fromEntries(Object.entries(host).filter(([, value]) => value !== null)) as DockerHostConfig;
}
