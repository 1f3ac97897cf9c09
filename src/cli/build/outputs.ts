import { GantryError } from "#base/errors.ts";
import { fieldsOf } from "./fields.ts";

/** Where a build's result goes. */
export interface Output {
  readonly type: "local" | "tar" | "oci" | "docker" | "image";
  /** "-": standard output; "": nowhere but Gantry's own images. */
  readonly dest: string;
  /** Names that the image gets by it. */
  readonly names: readonly string[];
  readonly push: boolean;
}

const KNOWN = ["type", "dest", "name", "push", "rewrite-timestamp"];

/** `-o dir`, `-o -`, `-o type=tar,dest=out.tar`, `type=image,name=app,push=true` (docs.docker.com, "docker buildx build --output"). */
export function parseOutputs(given: readonly string[]): Output[] {
  return given.map((text): Output => {
    if (text === "-") return { type: "tar", dest: "-", names: [], push: false };
    if (!text.includes("=")) return { type: "local", dest: text, names: [], push: false };
    const fields = fieldsOf("--output", text);
    const unknown = [...fields.keys()].find((key) => !KNOWN.includes(key));
    if (unknown !== undefined) throw new GantryError("unsupported", `--output ${text}: ${unknown} is not supported`);
    const given_ = fields.get("type") ?? "local";
    const type = given_ === "registry" ? "image" : given_;
    if (type !== "local" && type !== "tar" && type !== "oci" && type !== "docker" && type !== "image")
      throw new GantryError("unsupported", `--output ${text}: wanted type local, tar, oci, docker, image or registry`);
    const dest = fields.get("dest") ?? (type === "oci" || type === "tar" ? "-" : "");
    if (type === "local" && (dest === "" || dest === "-"))
      throw new GantryError("invalid", `--output ${text}: dest is required for local output`);
    const names = (fields.get("name") ?? "").split(",").filter((name) => name !== "");
    const push = given_ === "registry" || fields.get("push") === "true";
    if (push && names.length === 0) throw new GantryError("invalid", `--output ${text}: a name is needed to push`);
    return { type, dest, names, push };
  });
}
