import { GantryError } from "#base/errors.ts";
import { route, type Handler, type Route } from "../http/call.ts";
import { json } from "../http/reply.ts";

const METHODS = ["GET", "POST", "DELETE"] as const;

/** What belongs to a swarm: there is none, and Docker's words for that are known to its clients. */
const SWARM_PATHS = ["/swarm", "/nodes", "/services", "/tasks", "/secrets", "/configs"];

const notManager: Handler = async () => {
  throw new GantryError(
    "unavailable",
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  );
};

/** Refuses by name what the Docker API has and Gantry does not do. */
function refused(what: string): Handler {
  return async () => {
    throw new GantryError("unsupported", `${what} is not supported`, { field: what });
  };
}

export function refusalRoutes(): Route[] {
  return [
    route("POST", "/swarm/init", refused("swarm mode")),
    route("POST", "/swarm/join", refused("swarm mode")),
    route("POST", "/swarm/leave", async () => {
      throw new GantryError("unavailable", "This node is not part of a swarm");
    }),
    ...SWARM_PATHS.flatMap((path) =>
      METHODS.flatMap((method) => [route(method, path, notManager), route(method, `${path}/{rest...}`, notManager)]),
    ),
    route("GET", "/plugins", async ({ response }) => json(response, 200, [])),
    ...METHODS.map((method) => route(method, "/plugins/{rest...}", refused("plugin management"))),
    route("PUT", "/volumes/{name}", refused("updating a cluster volume")),
    route("POST", "/session", refused("a BuildKit session")),
    route("POST", "/grpc", refused("BuildKit's gRPC protocol")),
    route("GET", "/containers/{name}/checkpoints", refused("checkpoint")),
    route("POST", "/containers/{name}/checkpoints", refused("checkpoint")),
  ];
}
