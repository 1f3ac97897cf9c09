import { isGantryError } from "#base/errors.ts";
import type { Api } from "../api.ts";
import type { RequestContext } from "../context.ts";
import type { DeleteOptions, ListOptions } from "../options.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import { remove } from "./delete.ts";
import { list, type DocumentList } from "./list.ts";

/** Deletes under way at once. */
const WORKERS = 16;

/** Deletes each object that is listed. What vanished meanwhile does not count as a failure. */
export async function deleteCollection(
  api: Api,
  context: RequestContext,
  definition: ResourceDefinition,
  namespace: string,
  options: DeleteOptions,
  selection: ListOptions,
): Promise<DocumentList> {
  const found = await list(api, definition, namespace, selection);
  const queue = found.documents.values();
  const work = async (): Promise<void> => {
    for (const { object } of queue) {
      const { name = "", namespace: own = "" } = object.metadata;
      await remove(api, context, definition, own, name, options).catch((error: unknown) => {
        if (!isGantryError(error, "not-found")) throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  return found;
}
