/** resolv.conf(5), read and written. Pure, but for hostResolvConf. */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";

export interface ResolvConf {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** What is not understood is passed over, as resolvers do. */
export function parseResolvConf(text: string): ResolvConf {
  let search: string[] = [];
  const nameservers: string[] = [];
  const options: string[] = [];
  for (const line of text.split("\n")) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, "")
      .trim()
      .split(/\s+/);
    const [first = ""] = values;
    if (keyword === "nameserver" && isIP(first.split("%")[0] ?? "") !== 0) nameservers.push(first);
    else if (keyword === "search" || keyword === "domain") search = values;
    else if (keyword === "options") options.push(...values);
  }
  return { nameservers, search, options };
}

export function formatResolvConf({ nameservers, search, options }: ResolvConf): string {
  const lines = nameservers.map((address) => `nameserver ${address}`);
  if (search.length > 0) lines.push(`search ${search.join(" ")}`);
  if (options.length > 0) lines.push(`options ${options.join(" ")}`);
  return lines.map((line) => `${line}\n`).join("");
}

/** The host's own: systemd-resolved's list of real servers when /etc/resolv.conf only names its local stub. */
export function hostResolvConf(): ResolvConf {
  const own = parseResolvConf(readIfThere("/etc/resolv.conf"));
  const [only] = own.nameservers;
  if (own.nameservers.length !== 1 || only !== "127.0.0.53") return own;
  const resolved = parseResolvConf(readIfThere("/run/systemd/resolve/resolv.conf"));
  return resolved.nameservers.length > 0 ? resolved : own;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}
