import { GantryError } from "#base/errors.ts";
import type { Handler, Route } from "./call.ts";

export interface Match {
  readonly handler: Handler;
  readonly params: Readonly<Record<string, string>>;
  /** "1.43" of `/v1.43/...`; undefined without the prefix. */
  readonly versionPrefix: string | undefined;
}

interface CompiledRoute {
  readonly method: string;
  readonly pattern: RegExp;
  readonly names: readonly string[];
  readonly handler: Handler;
}

export type Router = (method: string, path: string) => Match;

const VERSION_PREFIX = /^\/v(\d{1,4}\.\d{1,4})(?=\/)/;

/** Finds a route's handler; throws `not-found` ("page not found") as Docker's own router does. Earlier routes win. */
export function createRouter(routes: readonly Route[]): Router {
  const compiled = routes.map(compile);
  return (method, path) => {
    const versionPrefix = VERSION_PREFIX.exec(path)?.[1];
    const bare = versionPrefix === undefined ? path : path.slice(versionPrefix.length + 2);
    for (const each of compiled) {
      if (each.method !== method) continue;
      const found = each.pattern.exec(bare);
      if (found) return { handler: each.handler, params: paramsOf(each.names, found), versionPrefix };
    }
    throw new GantryError("not-found", "page not found", { method, path });
  };
}

function compile({ method, path, handler }: Route): CompiledRoute {
  const names: string[] = [];
  const source = path.replace(/\{(\w+)(\.\.\.)?\}/g, (_, name: string, rest: string | undefined) => {
    names.push(name);
    return rest ? "(.+)" : "([^/]+)";
  });
  return { method, pattern: new RegExp(`^${source}$`), names, handler };
}

function paramsOf(names: readonly string[], found: RegExpExecArray): Record<string, string> {
  const params = Object.create(null) as Record<string, string>;
  names.forEach((name, index) => (params[name] = decodePart(found[index + 1] ?? "")));
  return params;
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    throw new GantryError("invalid", `invalid URL escape in ${JSON.stringify(part)}`, {}, error);
  }
}
