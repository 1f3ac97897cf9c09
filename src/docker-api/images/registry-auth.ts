import { GantryError } from "#base/errors.ts";
import { object, text } from "#formats/docker-json.ts";
import type { PullOptions } from "#images/image-store.ts";
import type { Call } from "../http/call.ts";

const credentials = object({
  username: text,
  password: text,
  identitytoken: text,
  registrytoken: text,
  serveraddress: text,
  auth: text,
  email: text,
});

/** The X-Registry-Auth header: base64url of a JSON document. undefined without credentials. Throws `invalid`. */
export function registryAuth({ request }: Call): PullOptions["auth"] {
  const header = request.headers["x-registry-auth"];
  if (typeof header !== "string" || header === "") return undefined;
  const { username, password, identitytoken, registrytoken } = decode(header);
  if (!username && !password && !identitytoken && !registrytoken) return undefined;
  return {
    ...(username && { username }),
    ...(password && { password }),
    ...(identitytoken && { identityToken: identitytoken }),
    ...(registrytoken && { registryToken: registrytoken }),
  };
}

function decode(header: string): ReturnType<typeof credentials> {
  try {
    return credentials(JSON.parse(Buffer.from(header, "base64url").toString("utf8")) as unknown, "X-Registry-Auth");
  } catch {
    // The text is not repeated: it may hold a password.
    throw new GantryError("invalid", "invalid X-Registry-Auth header: must be base64url-encoded JSON");
  }
}
