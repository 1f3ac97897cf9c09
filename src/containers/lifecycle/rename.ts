import { GantryError, isGantryError } from "#base/errors.ts";
import { containerEvent, type EngineContext } from "./context.ts";

/** Gives a container another name. Throws `conflict` in Docker's words when it is taken. */
export function renameContainer(context: EngineContext, id: string, name: string): Promise<void> {
  return context.serial.run(id, async () => {
    const { registry } = context;
    const entry = registry.entry(id);
    const oldName = entry.record.name;
    if (name === oldName)
      throw new GantryError("invalid", "Renaming a container with the same name as its current name", { name });
    reserve(context, id, name);
    try {
      await registry.saveDurably(entry, { name });
    } catch (error) {
      registry.releaseName(name);
      throw error;
    }
    registry.releaseName(oldName);
    context.networks.rename(id, name);
    containerEvent(context, entry, "rename", { oldName: `/${oldName}` });
  });
}

function reserve({ registry }: EngineContext, id: string, name: string): void {
  try {
    registry.reserveName(id, name);
  } catch (error) {
    if (!isGantryError(error, "conflict")) throw error;
    throw new GantryError("conflict", `Error when allocating new name: ${error.message}`, error.details, error);
  }
}
