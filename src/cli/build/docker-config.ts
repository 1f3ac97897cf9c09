import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The X-Registry-Config header of the credentials that `docker login` wrote; undefined without any. Credential helpers are not asked. */
export function registryConfigHeader(): string | undefined {
  const folder = process.env["DOCKER_CONFIG"] ?? join(homedir(), ".docker");
  let auths: Record<string, { auth?: string }>;
  try {
    const document = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as { auths?: typeof auths };
    auths = document.auths ?? {};
  } catch {
    return undefined; // none, or none of ours to mend: pulls then go without
  }
  const entries = Object.entries(auths).flatMap(([host, { auth }]) => {
    const [username = "", ...password] = Buffer.from(auth ?? "", "base64")
      .toString("utf8")
      .split(":");
    return username === "" ? [] : [[host, { username, password: password.join(":") }] as const];
  });
  if (entries.length === 0) return undefined;
  return Buffer.from(JSON.stringify(Object.fromEntries(entries))).toString("base64url");
}
