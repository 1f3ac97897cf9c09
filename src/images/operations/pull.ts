import { GantryError } from "#base/errors.ts";
import type { Image, PullOptions } from "../image-store.ts";
import type { Context } from "./context.ts";

/** `docker pull`. */
export async function pullImage(_context: Context, reference: string, _options: PullOptions): Promise<Image> {
  throw new GantryError("unsupported", `pulling ${reference} from a registry is not supported yet`);
}
