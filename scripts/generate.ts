// npm run generate: writes every generated file. With --check it writes nothing and fails when one is not current.
import { readFileSync, writeFileSync } from "node:fs";
import { kubeProto } from "./generate-kube-proto.ts";
import { kubeDescriptions } from "./generate-kube-descriptions.ts";
import { kubeSchema } from "./generate-kube-schema.ts";
import { bootstrapRbac } from "./generate-bootstrap-rbac.ts";
import { kubeTypes } from "./generate-kube-types.ts";
import { launchStepsC, launchStepsTypescript } from "./generate-launch-steps.ts";

const root = new URL("../", import.meta.url);
const generated: Record<string, () => string> = {
  "src/formats/kube-types.generated.ts": kubeTypes,
  "src/formats/kube-proto/table.generated.ts": kubeProto,
  "src/kube-api/bootstrap/rbac.generated.ts": bootstrapRbac,
  "src/linux/launch-steps.generated.ts": launchStepsTypescript,
  "native/shim/steps.generated.h": launchStepsC,
  "src/formats/kube-schema/schema.generated.ts": kubeSchema,
  "src/formats/openapi/descriptions.generated.ts": kubeDescriptions,
};

const check = process.argv.includes("--check");
let stale = 0;
for (const [path, generate] of Object.entries(generated)) {
  const file = new URL(path, root);
  const wanted = generate();
  if (read(file) === wanted) continue;
  stale++;
  if (check) console.error(`${path} is not current: run 'npm run generate'`);
  else {
    writeFileSync(file, wanted);
    console.log(`wrote ${path}`);
  }
}
process.exitCode = check && stale > 0 ? 1 : 0;

function read(file: URL): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
