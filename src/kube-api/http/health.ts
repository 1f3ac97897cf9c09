import { send, type Response } from "./exchange.ts";

/** One thing that must be well; the text says what is not. */
export interface HealthCheck {
  readonly name: string;
  check(): string | undefined;
}

export interface Health {
  serve(response: Response, path: string, query: URLSearchParams): void;
}

/** /healthz, /livez and /readyz in Kubernetes' form: `ok`, or a list of checks with `?verbose` or when one fails. */
export function healthEndpoints(ready: readonly HealthCheck[], live: readonly HealthCheck[]): Health {
  return {
    serve(response, path, query) {
      const [, endpoint = "", single] = path.split("/");
      const all = endpoint === "readyz" ? ready : live;
      const excluded = query.getAll("exclude");
      const checks = single
        ? all.filter(({ name }) => name === single)
        : all.filter(({ name }) => !excluded.includes(name));
      const results = checks.map(({ name, check }) => ({ name, fault: check() }));
      const failed = results.some(({ fault }) => fault !== undefined);
      const lines = results.map(({ name, fault }) =>
        fault === undefined ? `[+]${name} ok` : `[-]${name} failed: ${fault}`,
      );
      const status = single && checks.length === 0 ? 404 : failed ? 500 : 200;
      const verbose = failed || query.has("verbose");
      const text = verbose ? `${lines.join("\n")}\n${endpoint} check ${failed ? "failed" : "passed"}\n` : "ok";
      send(
        response,
        status,
        { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
        status === 404 ? "404 page not found\n" : text,
      );
    },
  };
}
