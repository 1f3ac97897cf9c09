import { spawn } from "node:child_process";
import { PassThrough, type Readable } from "node:stream";
import { GantryError } from "#base/errors.ts";

/** Compressions that the host's programs of these names take off, as Docker has it for xz. */
export type ProgramCompression = "bzip2" | "xz";

export function isProgramCompression(name: string): name is ProgramCompression {
  return name === "bzip2" || name === "xz";
}

/** The bytes of a stream without their compression. It fails with `invalid` for damaged bytes, with `unavailable` when the host lacks the program. */
export function decompressWith(program: ProgramCompression, stream: Readable): Readable {
  const output = new PassThrough();
  const child = spawn(program, ["-dc", "-q"], { stdio: ["pipe", "pipe", "pipe"] });
  // It may fail before anyone reads it: whoever does hears of it then.
  output.on("error", () => undefined);
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4096)));
  child.on("error", (error: NodeJS.ErrnoException) =>
    output.destroy(
      error.code === "ENOENT"
        ? new GantryError("unavailable", `archives packed with ${program} need the program ${program} on the host`)
        : error,
    ),
  );
  child.stdin.on("error", () => child.stdin.destroy()); // it has ended: its exit code says why
  child.stdout.pipe(output, { end: false });
  child.on("close", (code) => {
    if (code === 0) output.end();
    else output.destroy(new GantryError("invalid", `${program}: ${said.trim() || `exit status ${code}`}`));
  });
  stream.on("error", (error) => output.destroy(error));
  output.on("close", () => child.kill("SIGKILL"));
  stream.pipe(child.stdin);
  return output;
}
