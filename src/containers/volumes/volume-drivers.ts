import { GantryError } from "#base/errors.ts";
import { openVolumePlugin, type VolumePlugin } from "./plugin-client.ts";
import { findPlugin, PLUGIN_PLACES, pluginNames, type PluginPlaces } from "./plugin-discovery.ts";

/** The driver that keeps volumes in directories of this machine; every other name is a plugin's. */
export const LOCAL_DRIVER = "local";

export interface VolumeDrivers {
  /** Finds and greets a plugin, once. Throws `not-found` in Docker's words. */
  plugin(driver: string): Promise<VolumePlugin>;
  /** Of the plugins whose socket or file is there. */
  names(): readonly string[];
}

export function volumeDrivers(places: PluginPlaces = PLUGIN_PLACES): VolumeDrivers {
  const open = new Map<string, Promise<VolumePlugin>>();
  return {
    names: () => pluginNames(places),
    plugin(driver) {
      const known = open.get(driver);
      if (known) return known;
      const address = findPlugin(driver, places);
      if (!address)
        return Promise.reject(
          new GantryError("not-found", `error looking up volume plugin ${driver}: plugin "${driver}" not found`, {
            driver,
          }),
        );
      const opening = openVolumePlugin(address);
      open.set(driver, opening);
      // One that could not be greeted is looked for again next time.
      opening.catch(() => open.delete(driver));
      return opening;
    },
  };
}
