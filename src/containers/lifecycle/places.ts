import { join } from "node:path";

/** Where the engine keeps things. */
export interface Places {
  /** One directory per container: its record, its log, its name files. */
  readonly containers: string;
  container(id: string): string;
  /** Where the directory of a removed container goes until its files are gone. */
  removed(id: string): string;
  log(id: string): string;
  /** hosts, hostname, resolv.conf: bound into the container. */
  nameFile(id: string, name: "hosts" | "hostname" | "resolv.conf"): string;
  readonly volumes: string;
  /** One directory per running container: its shim's. */
  readonly shims: string;
  shim(id: string): string;
  /** One tmpfs per running container whose IPC namespace is shareable. */
  readonly sharedMemories: string;
  sharedMemory(id: string): string;
}

/** No id starts with it. */
export const REMOVED = "removed-";

/** `data` outlasts the machine's restarts, `run` need not. */
export function placesIn(data: string, run: string): Places {
  const containers = join(data, "containers");
  const shims = join(run, "shims");
  const sharedMemories = join(run, "shm");
  return {
    containers,
    container: (id) => join(containers, id),
    removed: (id) => join(containers, `${REMOVED}${id}`),
    log: (id) => join(containers, id, `${id}-json.log`),
    nameFile: (id, name) => join(containers, id, name),
    volumes: join(data, "volumes"),
    shims,
    shim: (id) => join(shims, id),
    sharedMemories,
    sharedMemory: (id) => join(sharedMemories, id),
  };
}
