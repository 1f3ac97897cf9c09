import type { LaunchPlan } from "../launch-plan.ts";
import type { Shim } from "../shim.ts";
import { attachStream } from "./attach.ts";
import type { ByteWriter } from "./bytes.ts";
import { FRAME } from "./frames.ts";
import type { RequestTable } from "./request-table.ts";
import { readProcess, writeSpawn } from "./values.ts";

const about = (id: string) => (body: ByteWriter) => body.string(id);

/** What can be asked of a shim. `known` is kept: the ids that are not acknowledged. */
export function shimMethods(
  directory: string,
  requests: RequestTable,
  known: Set<string>,
): Omit<Shim, "pid" | "events" | "disconnect"> {
  /** Plans of processes that may still fail to start, for the names of their steps. */
  const plans = new Map<string, LaunchPlan>();
  return {
    async spawn(id, plan, io) {
      const process = readProcess(await requests.send(FRAME.spawn, (body) => writeSpawn(body, id, plan, io), plan));
      known.add(id);
      if (process.state === "paused") plans.set(id, plan);
      return process;
    },
    async resume(id) {
      const plan = plans.get(id) ?? { steps: [] };
      plans.delete(id);
      try {
        await requests.send(FRAME.resume, about(id), plan);
      } catch (error) {
        known.delete(id);
        throw error;
      }
    },
    async processes() {
      const body = await requests.send(FRAME.list, () => undefined);
      const processes = [];
      while (body.left > 0) processes.push(readProcess(body));
      for (const { id } of processes) known.add(id);
      return processes;
    },
    async signal(id, signal) {
      const body = await requests.send(FRAME.signal, (frame) => {
        frame.string(id);
        frame.u32(signal);
      });
      return body.left > 0 && body.byte() === 1;
    },
    async resize(id, rows, columns) {
      await requests.send(FRAME.resize, (body) => {
        body.string(id);
        body.u32(rows);
        body.u32(columns);
      });
    },
    attach: async (id, streams) => (await attachStream(directory, id, streams, false)).stream,
    attachAfterLog: (id, streams) => attachStream(directory, id, streams, true),
    async reopenLog(id) {
      await requests.send(FRAME.reopenLog, about(id));
    },
    async acknowledge(id) {
      known.delete(id);
      plans.delete(id);
      await requests.send(FRAME.acknowledge, about(id));
    },
  };
}
