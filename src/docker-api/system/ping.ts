import type { Handler } from "../http/call.ts";

/** GET and HEAD /_ping: what clients negotiate by. */
export const pingHandler: Handler = async ({ request, response }) => {
  response.writeHead(200, {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-cache, no-store, must-revalidate",
    pragma: "no-cache",
    "builder-version": "1",
    swarm: "inactive",
    "content-length": request.method === "HEAD" ? "0" : "2",
  });
  response.end(request.method === "HEAD" ? undefined : "OK");
};
