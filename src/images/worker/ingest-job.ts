import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { hexId } from "#base/ids.ts";
import { digester, type Digester } from "#formats/digest.ts";
import { tarReader, type TarHandler } from "#formats/tar-reader.ts";
import type { IngestedFile, JobContext, RequestOf, ResultOf } from "./jobs.ts";
import { components } from "./tar-paths.ts";
import { inflatedStream } from "./unpack-job.ts";

/** Takes an archive of images apart: every file of it becomes a temporary file of its own, under a name of ours. */
export async function ingestJob(request: RequestOf<"ingest">, context: JobContext): Promise<ResultOf<"ingest">> {
  const files: IngestedFile[] = [];
  const writer = fileWriter(request, files);
  const reader = tarReader(writer);
  let bytes = 0;
  const source = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of context.input) {
      context.check();
      bytes += chunk.length;
      context.progress(bytes);
      yield chunk;
    }
  };
  try {
    await inflatedStream(source(), (chunk) => reader.write(chunk));
    reader.close();
    return { files };
  } catch (error) {
    writer.close();
    for (const one of files) if (one.kind === "file") rmSync(one.file, { force: true });
    throw error;
  }
}

interface OpenFile {
  readonly path: string;
  readonly file: string;
  readonly fd: number;
  readonly hash: Digester;
  readonly size: number;
  written: number;
}

/** To hash a hole of any size would cost time without end. */
function sparse(path: string): GantryError {
  return new GantryError("unsupported", `file ${JSON.stringify(path)} of the archive is stored sparsely`);
}

interface FileWriter extends TarHandler {
  /** Gives up a file that is not whole. */
  close(): void;
}

function fileWriter({ folder, limits }: RequestOf<"ingest">, files: IngestedFile[]): FileWriter {
  let open: OpenFile | undefined;
  let total = 0;
  return {
    entry(entry) {
      // A path that leaves the archive names nothing in it: it is kept out, and what asks for it does not find it.
      const path = components(entry.path)?.join("/");
      if (path === undefined || path === "") return;
      if (files.length >= limits.files)
        throw new GantryError("too-large", `archive has more than ${limits.files} files`);
      total += entry.size;
      if (total > limits.bytes) throw new GantryError("too-large", `archive has more than ${limits.bytes} bytes`);
      if (entry.type === "symlink") {
        const target = components(`${path}/../${entry.linkPath}`)?.join("/");
        if (target !== undefined) files.push({ kind: "link", path, target });
      } else if (entry.type === "link") {
        const target = components(entry.linkPath)?.join("/");
        if (target !== undefined) files.push({ kind: "link", path, target });
      } else if (entry.type === "file") {
        const file = join(folder, hexId(undefined, 16));
        open = { path, file, fd: openSync(file, "wx", 0o600), hash: digester(), size: entry.size, written: 0 };
      }
    },
    data(chunk, offset) {
      if (!open) return;
      if (offset !== open.written) throw sparse(open.path);
      open.hash.update(chunk);
      for (let at = 0; at < chunk.length;) at += writeSync(open.fd, chunk, at);
      open.written += chunk.length;
    },
    end() {
      if (!open) return;
      const { path, file, fd, hash, size, written } = open;
      open = undefined;
      closeSync(fd);
      files.push({ kind: "file", path, file, digest: hash.digest(), size });
      if (written !== size) throw sparse(path);
    },
    close() {
      if (!open) return;
      closeSync(open.fd);
      rmSync(open.file, { force: true });
    },
  };
}
