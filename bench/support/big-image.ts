import { createHash, randomBytes } from "node:crypto";
import { createReadStream, createWriteStream, mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import { pack, type Pack } from "tar-stream";

/** A `docker save` archive with layers of files of 8 KiB to 1 MiB, of which half compresses well. */
export async function makeBigImage(folder: string, options: { megabytes: number; layers: number }): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const perLayer = (options.megabytes * 1e6) / options.layers;
  const layers: { name: string; diffId: string }[] = [];
  for (let index = 0; index < options.layers; index++) layers.push(await makeLayer(folder, index, perLayer));
  const config = Buffer.from(
    JSON.stringify({
      created: "2026-01-01T00:00:00Z",
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config: { Cmd: ["sh"] },
      rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
      history: layers.map(() => ({ created: "2026-01-01T00:00:00Z", created_by: "bench" })),
    }),
  );
  const path = join(folder, "big.tar");
  const archive = pack();
  const out = archive.pipe(createWriteStream(path));
  const configName = `${createHash("sha256").update(config).digest("hex")}.json`;
  archive.entry({ name: configName }, config);
  for (const { name } of layers) {
    const file = join(folder, name);
    await addStream(archive, `${name}/layer.tar`, file);
    rmSync(file);
  }
  const manifest = [{ Config: configName, RepoTags: ["big:1"], Layers: layers.map(({ name }) => `${name}/layer.tar`) }];
  archive.entry({ name: "manifest.json" }, JSON.stringify(manifest));
  archive.finalize();
  await once(out, "close");
  return path;
}

/** A file of the archive, as it is read. */
async function addStream(archive: Pack, name: string, file: string): Promise<void> {
  const added = Promise.withResolvers<void>();
  const entry = archive.entry({ name, size: statSync(file).size }, (error) =>
    error ? added.reject(error) : added.resolve(),
  );
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }))
    if (!entry.write(chunk)) await once(entry, "drain");
  entry.end(undefined);
  await added.promise;
}

async function makeLayer(folder: string, index: number, bytes: number): Promise<{ name: string; diffId: string }> {
  const name = `layer-${index}`;
  const hash = createHash("sha256");
  const archive = pack();
  archive.on("data", (chunk: unknown) => hash.update(chunk as Buffer));
  const out = archive.pipe(createWriteStream(join(folder, name)));
  for (let written = 0, file = 0; written < bytes; file++) {
    const size = file % 4 === 0 ? 1 << 20 : 8192 << (file % 4);
    await addFile(archive, `d${index}/s${file % 20}/f${file}`, size);
    written += size;
  }
  archive.finalize();
  await once(out, "close");
  return { name, diffId: `sha256:${hash.digest("hex")}` };
}

/** Half of it random, half of it text. */
async function addFile(archive: Pack, name: string, size: number): Promise<void> {
  const content = Buffer.alloc(size, `${name} is made of text that compresses as program text does.\n`);
  randomBytes(size / 2).copy(content);
  await new Promise<void>((resolve) => archive.entry({ name }, content, () => resolve()));
}
