import { DEFAULT_PATH } from "./defaults.ts";

/**
 * The environment of a process: Docker's own variables, then `layers`, where a later value of a name replaces the earlier one in its
 * place, and a name without "=" takes the variable away (moby, container/env.go).
 */
export function environment(
  own: { readonly hostname: string; readonly terminal: boolean; readonly home: string },
  ...layers: readonly (readonly string[])[]
): string[] {
  const variables = new Map<string, string>();
  const put = (text: string): void => {
    const equals = text.indexOf("=");
    if (equals < 0) variables.delete(text);
    else variables.set(text.slice(0, equals), text);
  };
  put(DEFAULT_PATH);
  if (own.hostname !== "") put(`HOSTNAME=${own.hostname}`);
  if (own.terminal) put("TERM=xterm");
  for (const text of layers.flat()) put(text);
  // runc fills it in from the passwd file when it is missing or empty.
  if (variables.get("HOME") === undefined || variables.get("HOME") === "HOME=") put(`HOME=${own.home}`);
  return Array.from(variables.values());
}
