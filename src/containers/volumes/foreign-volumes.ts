import { errorText } from "#base/errors.ts";
import type { VolumeDrivers } from "./volume-drivers.ts";
import { VOLUME_NAME, type VolumeRecord } from "./volume-files.ts";

/** Volumes that only their plugins know of, as they were when last asked. */
export interface ForeignVolumes {
  get(name: string): VolumeRecord | undefined;
  list(): Iterable<VolumeRecord>;
  forget(name: string): void;
  /** Asks every plugin; resolves with a sentence for each that does not answer, whose volumes stay as they were. */
  look(isKnown: (name: string) => boolean): Promise<readonly string[]>;
}

/** Volumes of one plugin that are told; more are left out. */
const MOST_VOLUMES = 10_000;

export function foreignVolumes(drivers: VolumeDrivers): ForeignVolumes {
  const found = new Map<string, VolumeRecord>();

  async function lookAt(driver: string, isKnown: (name: string) => boolean): Promise<void> {
    const plugin = await drivers.plugin(driver);
    const [volumes, scope] = await Promise.all([plugin.list(), plugin.scope()]);
    for (const [name, record] of found) if (record.driver === driver) found.delete(name);
    for (const { name, mountpoint } of volumes.slice(0, MOST_VOLUMES)) {
      // What is no name becomes no directory of ours. The first plugin keeps a name.
      if (isKnown(name) || found.has(name) || !VOLUME_NAME.test(name)) continue;
      const record = { version: 1, name, labels: {}, options: {}, createdAt: 0, anonymous: false } as const;
      found.set(name, { ...record, driver, mountpoint, scope });
    }
  }

  return {
    get: (name) => found.get(name),
    list: () => found.values(),
    forget: (name) => void found.delete(name),
    async look(isKnown) {
      const names = drivers.names();
      for (const [name, { driver = "" }] of found) if (!names.includes(driver)) found.delete(name);
      const outcomes = await Promise.allSettled(names.map((driver) => lookAt(driver, isKnown)));
      return outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [errorText(outcome.reason)] : []));
    },
  };
}
