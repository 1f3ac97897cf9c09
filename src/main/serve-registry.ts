import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Places } from "#base/places.ts";
import type { CliPorts, RegistryServing } from "#cli/ports.ts";
import { openImages } from "#images/open-images.ts";
import { createLogger } from "./logger.ts";
import { openRegistrySide } from "./registry-side.ts";
import { listenerOf } from "./registry-settings.ts";

/** `gantry registry` where no Gantry runs: this process opens the images and serves them. Throws `conflict` when another has them. */
export async function serveRegistry(places: Places, serving: RegistryServing): ReturnType<CliPorts["serveRegistry"]> {
  const { where, rules } = await listenerOf(serving);
  mkdirSync(places.dataDir, { recursive: true, mode: 0o710 });
  const logger = createLogger("warn");
  const images = await openImages({ dataDir: places.dataDir, logger });
  const side = openRegistrySide({
    stateDir: registryFolder(places),
    images: () => images,
    address: { port: undefined, asked: false },
    logger,
  });
  try {
    const { url } = await side.listen(where, rules);
    const ended = Promise.withResolvers<void>();
    return {
      url,
      ended: ended.promise,
      async close() {
        await side.close();
        await images.close();
        ended.resolve();
      },
    };
  } catch (error) {
    await images.close();
    throw error;
  }
}

/** Where the repositories are written down. */
export function registryFolder({ dataDir }: Places): string {
  return join(dataDir, "registry");
}
