import { GantryError } from "#base/errors.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import type { ProcessExit, ProcessIo, ProcessState, ShimProcess } from "../shim.ts";
import { errnoName, errnoText } from "../syscalls.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { encodePlan } from "./encode-plan.ts";
import { NO_STEP } from "./frames.ts";

/** Flags of a spawn request; native/shim/connection.c has the same numbers. */
const SPAWN = { terminal: 1, stdinOpen: 2, stdinOnce: 4, holdOutput: 8, log: 16, logAttributes: 32 } as const;

/** In the shim's order (enum process_state). */
const STATES: readonly ProcessState[] = ["starting", "paused", "starting", "running", "exited"];

export function writeSpawn(body: ByteWriter, id: string, plan: LaunchPlan, io: ProcessIo): void {
  let flags = 0;
  if (io.terminal) flags |= SPAWN.terminal;
  if (io.stdin !== "none") flags |= SPAWN.stdinOpen;
  if (io.stdin === "once") flags |= SPAWN.stdinOnce;
  if (io.waitForAttach) flags |= SPAWN.holdOutput;
  if (io.log) flags |= SPAWN.log;
  if (io.log?.attributes !== undefined) flags |= SPAWN.logAttributes;
  body.string(id);
  body.u32(flags);
  body.u32((((io.terminal?.rows ?? 0) & 0xffff) * 0x10000 + ((io.terminal?.columns ?? 0) & 0xffff)) >>> 0);
  body.string(io.log?.path ?? "");
  body.u64(BigInt(io.log?.maxBytes ?? 0));
  body.u32(io.log?.maxFiles ?? 1);
  if (io.log?.attributes !== undefined) body.string(io.log.attributes);
  body.bytes(encodePlan(plan));
}

export function readExit(body: ByteReader): ProcessExit {
  const code = body.u32();
  const signal = body.u32();
  const oomKilled = body.u32() !== 0;
  return { code, ...(signal !== 0 && { signal }), oomKilled, at: body.u64() };
}

export function readProcess(body: ByteReader): ShimProcess {
  const id = body.string();
  const pid = body.u32();
  const startTicks = body.u64();
  const state = STATES[body.u32()] ?? "running";
  const exit = readExit(body);
  return { id, pid, startTicks, state, ...(state === "exited" && { exit }) };
}

/** What a failed request throws: for a launch "exec-failed" with the step's name and index, otherwise by the error number. */
export function readFailure(body: ByteReader, plan: LaunchPlan | undefined): GantryError {
  const step = body.u32();
  const errno = body.i32();
  const text = body.string();
  const details = { errno, code: errnoName(errno), text };
  if (plan) {
    const name = step === NO_STEP ? undefined : plan.steps[step]?.step;
    return new GantryError("exec-failed", `${text}: ${errnoText(errno)}`, {
      ...details,
      ...(name && { step: name, index: step }),
    });
  }
  const code = details.code === "ESRCH" ? "not-found" : details.code === "EEXIST" ? "already-exists" : "internal";
  return new GantryError(code, `shim: ${text}: ${errnoText(errno)}`, details);
}
