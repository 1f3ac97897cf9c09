import { join } from "node:path";

/** Where the engine keeps things. */
export interface Places {
  /** One directory per container: its record, its log, its name files. */
  readonly containers: string;
  container(id: string): string;
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

/** `data` outlasts the machine's restarts, `run` need not. */
export function placesIn(data: string, run: string): Places {
  const containers = join(data, "containers");
  const shims = join(run, "shims");
  const sharedMemories = join(run, "shm");
  return {
    containers,
    container: (id) => join(containers, id),
    log: (id) => join(containers, id, `${id}-json.log`),
    nameFile: (id, name) => join(containers, id, name),
    volumes: join(data, "volumes"),
    shims,
    shim: (id) => join(shims, id),
    sharedMemories,
    sharedMemory: (id) => join(sharedMemories, id),
  };
}
