import { GantryError } from "#base/errors.ts";
import { failureReason } from "../lifecycle/start-error.ts";
import type { RuntimeContext } from "./context.ts";
import { deleteContainer } from "./delete.ts";

/** The command that the launcher executes when a launch has failed. */
export const LAUNCH_FAILED = "launch-failed";

/**
 * `launch-failed create|exec ID COMMAND STEPS STEP ERRNO TEXT`: undoes a creation, and throws what there is to say in runc's words. STEPS are the
 * names of the plan's steps, STEP the index of the one that failed (-1: none).
 */
export async function launchFailed(context: RuntimeContext, words: readonly string[]): Promise<never> {
  const [kind = "", id = "", command = "", steps = "", index, errno, text = ""] = words;
  if (kind === "create") await deleteContainer(context, id, true);
  const step = steps.split(",")[Number(index)] ?? "";
  const reason = failureReason({ step, errno: Number(errno), text }, command);
  const during = kind === "exec" || step === "exec" || step === "find-program" ? "" : "error during container init: ";
  throw new GantryError("exec-failed", `unable to start container process: ${during}${reason}`, { kind, step, errno });
}
