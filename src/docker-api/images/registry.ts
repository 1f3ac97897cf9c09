import { GantryError } from "#base/errors.ts";
import { object, text } from "#formats/docker-json.ts";
import type { Deps } from "../deps.ts";
import { jsonBody, param, type Handler } from "../http/call.ts";
import { json } from "../http/reply.ts";
import { registryAuth } from "./registry-auth.ts";

const authRequest = object({
  username: text,
  password: text,
  email: text,
  serveraddress: text,
  identitytoken: text,
  registrytoken: text,
  auth: text,
});

/** POST /auth: `docker login` asks whether credentials are good; keeping them is the client's. */
export function authHandler(deps: Deps): Handler {
  return async (call) => {
    const {
      username = "",
      password = "",
      serveraddress = "",
      identitytoken,
      registrytoken,
    } = await jsonBody(call, authRequest);
    if (username === "" && !identitytoken && !registrytoken)
      throw new GantryError("invalid", "no credentials given", { field: "username" });
    const auth = {
      username,
      password,
      ...(identitytoken && { identityToken: identitytoken }),
      ...(registrytoken && { registryToken: registrytoken }),
    };
    await deps.images.login(serveraddress, auth, call.signal);
    json(call.response, 200, { Status: "Login Succeeded", IdentityToken: "" });
  };
}

/** GET /distribution/{name}/json: what a registry has under a name. */
export function distributionHandler(deps: Deps): Handler {
  return async (call) => {
    const { descriptor, platforms } = await deps.images.inspectRemote(param(call), registryAuth(call), call.signal);
    json(call.response, 200, { Descriptor: descriptor, Platforms: platforms });
  };
}
