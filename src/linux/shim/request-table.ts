import type { Socket } from "node:net";
import type { GantryError } from "#base/errors.ts";
import type { LaunchPlan } from "../launch-plan.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { encodeFrame, FRAME, type Frame } from "./frames.ts";
import { readFailure } from "./values.ts";

/** Requests that wait for their answers; as many as the callers have under way. */
export interface RequestTable {
  /** Sends a request; resolves with the answer's body, throws the failure. `plan` names the steps of a launch that fails. */
  send(kind: number, write: (body: ByteWriter) => void, plan?: LaunchPlan): Promise<ByteReader>;
  /** An answer has come. */
  settle(frame: Frame): void;
  /** No more answers come: every request fails, and those to come. */
  fail(error: GantryError): void;
}

interface Pending {
  readonly plan: LaunchPlan | undefined;
  resolve(body: ByteReader): void;
  reject(error: GantryError): void;
}

export function requestTable(socket: Socket): RequestTable {
  const pending = new Map<number, Pending>();
  let failure: GantryError | undefined;
  let last = 0;
  return {
    send: (kind, write, plan) =>
      new Promise((resolve, reject) => {
        if (failure) return reject(failure);
        last++;
        pending.set(last, { plan, resolve, reject });
        socket.write(encodeFrame(kind, last, write));
      }),
    settle({ request, kind, body }) {
      const waiting = pending.get(request);
      pending.delete(request);
      if (kind === FRAME.ok) waiting?.resolve(body);
      else waiting?.reject(readFailure(body, waiting.plan));
    },
    fail(error) {
      failure = error;
      for (const waiting of pending.values()) waiting.reject(error);
      pending.clear();
    },
  };
}
