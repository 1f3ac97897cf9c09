import { errorText, GantryError } from "#base/errors.ts";
import { object, text } from "#formats/docker-json.ts";
import type { Platform } from "#formats/image-config.ts";
import type { Image } from "#images/image-store.ts";
import type { Query } from "../http/query.ts";

const platformDocument = object({ architecture: text, os: text, variant: text, "os.version": text });

/** `linux/arm64/v8`; undefined when empty. Throws `invalid`. */
export function parsePlatform(given: string): Platform | undefined {
  if (given === "") return undefined;
  const [os = "", architecture = "", variant, ...rest] = given.split("/");
  if (os === "" || architecture === "" || rest.length > 0)
    throw new GantryError(
      "invalid",
      `${JSON.stringify(given)}: unknown operating system or architecture: invalid argument`,
    );
  return { os, architecture, ...(variant !== undefined && { variant }) };
}

/** A `platform` parameter that holds a JSON document (push since 1.46, load, save, history and inspect since 1.48). */
export function platformOf(query: Query): Platform | undefined {
  const parameter = query.text("platform");
  if (parameter === "") return undefined;
  const { architecture = "", os = "", variant } = platformDocument(parse(parameter), "platform");
  return { architecture, os, ...(variant !== undefined && { variant }) };
}

function parse(parameter: string): unknown {
  try {
    return JSON.parse(parameter) as unknown;
  } catch (error) {
    throw new GantryError("invalid", `failed to parse platform: ${errorText(error)}`, {}, error);
  }
}

/** Throws `not-found` in Docker's words when an image is not of the platform that was asked for. */
export function checkPlatform(image: Image, reference: string, platform: Platform | undefined): Image {
  if (!platform || (platform.os === image.config.os && platform.architecture === image.config.architecture))
    return image;
  const wanted = `${platform.os}/${platform.architecture}`;
  throw new GantryError(
    "not-found",
    `image with reference ${reference} was found but does not provide the specified platform (${wanted})`,
    { reference },
  );
}
