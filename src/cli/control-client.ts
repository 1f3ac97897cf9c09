import { request } from "node:http";
import { GantryError } from "#base/errors.ts";
import type { Places } from "#base/places.ts";
import type { GantryStatus, StopOptions } from "./ports.ts";

/** The running Gantry's status, or undefined when none answers at these places. */
export async function readStatus(places: Places): Promise<GantryStatus | undefined> {
  try {
    return JSON.parse(await control(places, "GET", "/status")) as GantryStatus;
  } catch (error) {
    if (isNotListening(error)) return undefined;
    throw error;
  }
}

/** Asks the running Gantry to stop and resolves when it has; false when none runs. */
export async function requestStop(places: Places, options: StopOptions): Promise<boolean> {
  try {
    const timeout = options.timeoutSeconds === undefined ? "" : `&timeout=${options.timeoutSeconds}`;
    await control(places, "POST", `/stop?containers=${options.containers}${timeout}`);
    return true;
  } catch (error) {
    if (isNotListening(error)) return false;
    throw error;
  }
}

/** Like `control`, for what makes sense with a running Gantry only. Throws `unavailable` when none runs. */
export async function askRunning(places: Places, method: string, path: string): Promise<string> {
  try {
    return await control(places, method, path);
  } catch (error) {
    if (isNotListening(error)) throw new GantryError("unavailable", "Gantry is not running. Start it with: gantry up");
    throw error;
  }
}

function isNotListening(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ECONNREFUSED";
}

function control(places: Places, method: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: places.controlSocket, method, path }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve(text);
        // What was asked for cannot be: in the words of whoever knows.
        else if (response.statusCode === 409) reject(new GantryError("conflict", text.trim()));
        else
          reject(
            new GantryError("internal", `gantry's control socket answered ${response.statusCode}: ${text.trim()}`),
          );
      });
    });
    call.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EACCES")
        reject(new GantryError("forbidden", `may not speak to Gantry at ${places.controlSocket}: run this as root`));
      else reject(error);
    });
    call.end();
  });
}
