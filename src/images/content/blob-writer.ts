import { createReadStream } from "node:fs";
import { open, rm } from "node:fs/promises";
import { GantryError } from "#base/errors.ts";
import { digester, parseDigest, type Digest } from "#formats/digest.ts";
import type { BlobWriter } from "../content-store.ts";
import { diskError, writeFully } from "../durable-files.ts";

/** Writes a blob to `file`, which `adopt` takes over when it is whole. */
export async function blobWriter(file: string, adopt: (digest: Digest) => Promise<void>): Promise<BlobWriter> {
  const handle = await open(file, "wx", 0o600);
  const hash = digester("sha256");
  let length = 0;
  let closed = false;
  const close = async (): Promise<void> => {
    if (!closed) await handle.close();
    closed = true;
  };
  return {
    get length() {
      return length;
    },
    async write(chunk) {
      hash.update(chunk);
      try {
        await writeFully(handle, chunk);
      } catch (error) {
        throw diskError(error);
      }
      length += chunk.byteLength;
    },
    async commit(expected) {
      await close();
      const algorithm = expected === undefined ? "sha256" : parseDigest(expected).algorithm;
      const sha256 = hash.digest();
      const digest = algorithm === "sha256" ? sha256 : await hashFile(file, algorithm);
      if (expected !== undefined && digest !== expected) {
        await rm(file, { force: true });
        throw new GantryError("invalid", `content has the digest ${digest}, not ${expected}`);
      }
      await adopt(digest);
      return { digest, size: length };
    },
    async abort() {
      await close();
      await rm(file, { force: true });
    },
  };
}

/** For the rare digest that is not SHA-256: the file is read once more. */
async function hashFile(file: string, algorithm: "sha384" | "sha512"): Promise<Digest> {
  const hash = digester(algorithm);
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest();
}
