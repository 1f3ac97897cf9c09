import { spawn } from "node:child_process";
import { errorText, GantryError } from "#base/errors.ts";
import type { OciHook } from "#formats/oci-spec.ts";
import { stateDocument } from "./state.ts";
import type { Container, Status } from "./container.ts";

/** The hooks behind a launch, in the runtime's namespaces, one after the other. Throws `exec-failed` for the first that fails. */
export async function runHooks(container: Container, name: "poststart" | "poststop", status: Status): Promise<void> {
  const input = JSON.stringify(stateDocument(container, status));
  for (const hook of container.state.spec.hooks?.[name] ?? []) {
    try {
      await runHook(hook, input);
    } catch (error) {
      throw new GantryError("exec-failed", `error running ${name} hook ${hook.path}: ${errorText(error)}`, {}, error);
    }
  }
}

/** Output beyond this is thrown away. */
const OUTPUT_BYTES = 4096;

function runHook({ path, args = [], env = [], timeout }: OciHook, input: string): Promise<void> {
  const environment = Object.fromEntries(
    env.map((line) => [line.split("=")[0] ?? "", line.slice(line.indexOf("=") + 1)]),
  );
  const child = spawn(path, args.slice(1), {
    ...(args[0] !== undefined && { argv0: args[0] }),
    env: environment,
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  const take = (chunk: Buffer): void => void (output = (output + chunk.toString()).slice(0, OUTPUT_BYTES));
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  // A hook need not read its input.
  child.stdin.on("error", () => child.stdin.destroy());
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    const timer = timeout
      ? setTimeout(() => {
          child.kill("SIGKILL");
          reject(new Error(`hook ran past specified timeout of ${timeout}s`));
        }, timeout * 1000)
      : undefined;
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else reject(new Error(`${signal ? `signal ${signal}` : `exit status ${code}`}, output: ${output.trim()}`));
    });
  });
}
