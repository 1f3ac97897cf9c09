import type { LaunchPlan } from "../launch-plan.ts";
import { STEP_LAYOUTS, type ArgumentType, type Step } from "../launch-steps.generated.ts";
import { byteWriter, type ByteWriter } from "./bytes.ts";

/** A launch plan as the shim reads it: "GLP1", then for each step its number (u16) and its arguments (length-prefixed). */
export function encodePlan(plan: LaunchPlan): Buffer {
  const writer = byteWriter();
  writer.raw(Buffer.from("GLP1"));
  for (const step of plan.steps) {
    const { code, args } = STEP_LAYOUTS[step.step];
    const argumentBytes = byteWriter();
    for (const [name, type] of args) writeArgument(argumentBytes, type, (step as ArgumentsOf)[name]);
    writer.u16(code);
    writer.bytes(argumentBytes.finish());
  }
  return writer.finish();
}

/** A step seen by field name; the generated layout says which type each has. */
type ArgumentsOf = Step & Readonly<Record<string, unknown>>;

function writeArgument(writer: ByteWriter, type: ArgumentType, value: unknown): void {
  switch (type) {
    case "string":
      return writer.string(value as string);
    case "strings":
      return writer.strings(value as readonly string[]);
    case "u32":
      return writer.u32(value as number);
    case "u32s":
      return writer.u32s(value as readonly number[]);
    case "i32":
      return writer.i32(value as number);
    case "u64":
      return writer.u64(value as bigint);
    case "bool":
      return writer.u32(value === true ? 1 : 0);
    case "bytes":
      return writer.bytes(value as Uint8Array);
  }
}
