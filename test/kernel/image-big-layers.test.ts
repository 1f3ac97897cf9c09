import assert from "node:assert/strict";
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { createGzip } from "node:zlib";
import { tarPadding } from "#formats/tar-entry.ts";
import { encodeTarHeader, TAR_END } from "#formats/tar-writer.ts";
import { tarEntry, withImages } from "../support/image-lab.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";
const MB = 2 ** 20;

/** Runs `use` and returns by how many bytes the process grew at most meanwhile. */
async function growth(use: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20);
  try {
    await use();
  } finally {
    clearInterval(timer);
  }
  return most - before;
}

test("a 16 GB sparse file takes neither disk nor memory", { skip }, () =>
  withImages(async (images, dataDir) => {
    const size = 16 * 2 ** 30;
    // PAX sparse version 1.0: the map comes before the data.
    const map = Buffer.alloc(512);
    map.write(`2\n0\n5\n${size - 3}\n3\n`);
    const records = {
      "GNU.sparse.major": "1",
      "GNU.sparse.minor": "0",
      "GNU.sparse.name": "sparse",
      "GNU.sparse.realsize": String(size),
    };
    const archive = Buffer.concat([
      pax(records),
      encodeTarHeader(tarEntry({ path: "GNUSparseFile.0/sparse", data: `${map.toString("latin1")}hellobye` })),
      map,
      Buffer.from("hellobye"),
      Buffer.alloc(504),
      TAR_END,
    ]);
    let id = "";
    const grown = await growth(async () => {
      id = await images.import(Readable.from([archive], { objectMode: false }), {});
    });
    const snapshot = await images.createSnapshot("s", id);
    assert(snapshot.mount.kind === "overlay");
    const stats = lstatSync(join(snapshot.mount.lower[1] ?? "", "sparse"));
    assert.equal(stats.size, size);
    assert(stats.blocks * 512 < MB, `${stats.blocks * 512} bytes on the disk`);
    assert(grown < 150 * MB, `grew by ${grown / MB} MB`);
    assert(dataDir.length > 0);
  }),
);

/** A PAX header, by hand: the writer makes no sparse files. */
function pax(records: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length + 1;
    while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
    return `${length}${rest}`;
  });
  const data = Buffer.from(lines.join(""));
  const header = encodeTarHeader({ ...tarEntry({ path: "PaxHeaders/x", data: data.toString() }) });
  header.write("x", 156, "latin1");
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return Buffer.concat([header, data, Buffer.alloc(tarPadding(data.length))]);
}

test("a layer of 600 MB goes through in little memory, compressed or not", { skip }, () =>
  withImages(async (images) => {
    const size = 600 * MB;
    const block = Buffer.alloc(MB, "layer");
    const tar = async function* (): AsyncGenerator<Buffer> {
      yield encodeTarHeader({ ...tarEntry({ path: "big", data: "" }), size });
      for (let at = 0; at < size; at += MB) yield block;
      yield TAR_END;
    };
    const plain = (): Readable => Readable.from(tar(), { objectMode: false });
    const grown = await growth(async () => {
      await images.import(plain(), { reference: "big:plain" });
      await images.import(plain().pipe(createGzip({ level: 1 })), { reference: "big:gzip" });
    });
    assert.equal(images.get("big:plain").config.rootfs.diff_ids[0], images.get("big:gzip").config.rootfs.diff_ids[0]);
    assert.equal(images.get("big:gzip").size, size);
    assert(grown < 300 * MB, `grew by ${grown / MB} MB`);
  }),
);
