import { GantryError, isGantryError } from "#base/errors.ts";
import type { Descriptor, Platform } from "#formats/image-config.ts";
import { CONFIG_LIMITS, parseImageConfig } from "#formats/image-config-reader.ts";
import { parseImageDocument } from "#formats/image-manifest.ts";
import { parseReference, withDefaultTag } from "#formats/reference.ts";
import type { RegistryAuth, RemoteImage } from "../image-store.ts";
import { authorizer } from "../registry-client/auth.ts";
import { endpointsOf, type Endpoint } from "../registry-client/endpoints.ts";
import { httpClient } from "../registry-client/http.ts";
import { withRepository, type RemoteManifest, type RemoteRepository } from "../registry-client/repository.ts";
import type { Context } from "./context.ts";

/**
 * Tries credentials at a registry (`localhost:5000`, `https://index.docker.io/v1/`). Throws `unauthorized` in Docker's words when they are
 * refused, `unavailable` when nobody answers.
 */
export async function tryLogin(
  context: Context,
  address: string,
  auth: RegistryAuth,
  signal: AbortSignal | undefined,
): Promise<void> {
  let failure: unknown;
  for (const endpoint of endpointsOf(domainOf(address), context.registries, "push")) {
    try {
      return await loginAt(endpoint, auth, signal);
    } catch (error) {
      // Who answered has decided; an address without an answer gives way to the next.
      if (!isGantryError(error, "unavailable")) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** Docker Hub goes by an address of its first version. */
function domainOf(address: string): string {
  const host = address.replace(/^https?:\/\//, "").split("/")[0] ?? "";
  if (host === "" || host === "index.docker.io" || host === "registry-1.docker.io") return "docker.io";
  if (!/^[\w.-]+(:\d{1,5})?$|^\[[\da-fA-F:]+\](:\d{1,5})?$/.test(host))
    throw new GantryError("invalid", `invalid registry address: ${address}`, { address });
  return host;
}

async function loginAt(endpoint: Endpoint, auth: RegistryAuth, signal: AbortSignal | undefined): Promise<void> {
  const { origin } = endpoint;
  const http = httpClient(endpoint);
  const authorization = authorizer(origin, auth, http);
  const url = new URL("/v2/", origin);
  try {
    for (let tries = 0; ; tries++) {
      const known = authorization.header("");
      const response = await http.send({
        method: "GET",
        url,
        signal,
        ...(known !== undefined && { headers: { authorization: known } }),
      });
      response.body.resume();
      if (response.status === 200) return;
      const more = response.status === 401 && tries === 0 && (await authorization.answer(response, "", signal));
      if (!more)
        throw new GantryError(
          "unauthorized",
          `login attempt to ${url.href} failed with status: ${response.status} ${response.statusText}`,
          { status: response.status },
        );
    }
  } finally {
    http.close();
  }
}

/** What a registry has under a name, without fetching it. Throws as a pull does. */
export async function inspectRemote(
  context: Context,
  text: string,
  auth: RegistryAuth | undefined,
  signal: AbortSignal | undefined,
): Promise<RemoteImage> {
  const reference = withDefaultTag(parseReference(text));
  const endpoints = endpointsOf(reference.domain, context.registries, "pull");
  return withRepository(
    endpoints,
    { reference, auth, signal, actions: "pull", clock: context.clock },
    async (repository) => {
      const manifest = await repository.manifest(reference.digest ?? reference.tag ?? "");
      const descriptor: Descriptor = {
        mediaType: manifest.mediaType,
        digest: manifest.digest,
        size: manifest.bytes.length,
      };
      return { descriptor, platforms: await platformsOf(repository, manifest) };
    },
  );
}

async function platformsOf(repository: RemoteRepository, { bytes, mediaType }: RemoteManifest): Promise<Platform[]> {
  const document = parseImageDocument(bytes, mediaType);
  if (document.kind === "index") return document.index.manifests.flatMap(({ platform }) => platform ?? []);
  const config = parseImageConfig(
    await repository.blobBytes(document.manifest.config.digest as `sha256:${string}`, CONFIG_LIMITS.bytes),
  );
  return [
    {
      architecture: config.architecture,
      os: config.os,
      ...(config.variant !== undefined && { variant: config.variant }),
    },
  ];
}
