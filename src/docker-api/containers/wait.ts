import { GantryError, errorText } from "#base/errors.ts";
import type { Deps } from "../deps.ts";
import { param, type Handler } from "../http/call.ts";

type Condition = "not-running" | "next-exit" | "removed";

/** POST /containers/{name}/wait: the status line goes out at once, the document when the condition holds. */
export function waitHandler(deps: Deps): Handler {
  return async (call) => {
    const condition = call.version < 30 ? "not-running" : conditionOf(call.query.text("condition"));
    const { id } = deps.engine.get(param(call));
    const waiting = deps.engine.wait(id, condition, call.signal);
    call.response.writeHead(200, { "content-type": "application/json" });
    if (call.version >= 30) call.response.flushHeaders();
    call.response.end(`${JSON.stringify(await outcome(waiting))}\n`);
  };
}

async function outcome(waiting: ReturnType<Deps["engine"]["wait"]>): Promise<object> {
  try {
    const exit = await waiting;
    return { StatusCode: exit.code, ...(exit.error !== "" && { Error: { Message: exit.error } }) };
  } catch (error) {
    return { StatusCode: 1, Error: { Message: errorText(error) } };
  }
}

function conditionOf(text: string): Condition {
  if (text === "") return "not-running";
  if (text === "not-running" || text === "next-exit" || text === "removed") return text;
  throw new GantryError("invalid", `invalid condition: ${JSON.stringify(text)}`);
}
