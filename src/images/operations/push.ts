import { GantryError } from "#base/errors.ts";
import type { PushOptions } from "../image-store.ts";
import type { Context } from "./context.ts";

/** `docker push`. */
export async function pushImage(_context: Context, reference: string, _options: PushOptions): Promise<void> {
  throw new GantryError("unsupported", `pushing ${reference} to a registry is not supported yet`);
}
