import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { tarReader } from "#formats/tar-reader.ts";

/** A digest of what an archive holds: names, kinds, modes, owners, links and bytes; never times. */
export async function contentDigest(archive: Readable): Promise<string> {
  const hash = createHash("sha256");
  const reader = tarReader({
    entry({ path, type, mode, uid, gid, size, linkPath, device }) {
      hash.update(`${JSON.stringify([path, type, mode, uid, gid, size, linkPath, device.major, device.minor])}\n`);
    },
    data(chunk, offset) {
      hash.update(`${offset},${chunk.length}:`);
      hash.update(chunk);
    },
    end() {},
  });
  for await (const chunk of archive as AsyncIterable<Buffer>) reader.write(chunk);
  reader.close();
  return hash.digest("hex");
}
