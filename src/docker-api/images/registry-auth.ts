import { GantryError } from "#base/errors.ts";
import { map, object, text, type Decoder } from "#formats/docker-json.ts";
import type { PullOptions, RegistryAuth } from "#images/image-store.ts";
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
  return authOf(decode(header, credentials));
}

/** The X-Registry-Config header of a build: credentials by registry. Throws `invalid`. */
export function registryAuths({ request }: Call): ReadonlyMap<string, RegistryAuth> {
  const header = request.headers["x-registry-config"];
  if (typeof header !== "string" || header === "") return new Map();
  const entries = Object.entries(decode(header, map(credentials)));
  return new Map(
    entries.flatMap(([registry, given]) => {
      const auth = authOf(given);
      return auth ? [[registry, auth] as const] : [];
    }),
  );
}

function authOf({
  username,
  password,
  identitytoken,
  registrytoken,
}: ReturnType<typeof credentials>): RegistryAuth | undefined {
  if (!username && !password && !identitytoken && !registrytoken) return undefined;
  return {
    ...(username && { username }),
    ...(password && { password }),
    ...(identitytoken && { identityToken: identitytoken }),
    ...(registrytoken && { registryToken: registrytoken }),
  };
}

function decode<T>(header: string, decoder: Decoder<T>): T {
  try {
    return decoder(JSON.parse(Buffer.from(header, "base64url").toString("utf8")) as unknown, "credentials");
  } catch {
    // The text is not repeated: it may hold a password.
    throw new GantryError("invalid", "invalid registry credentials in a header: must be base64url-encoded JSON");
  }
}
