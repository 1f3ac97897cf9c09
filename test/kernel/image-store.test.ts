import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createReadStream, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { ImageEvent, ImageStore, ImageUser, ProgressMessage } from "#images/image-store.ts";
import { openImages } from "#images/open-images.ts";
import { testImage } from "#test/images.ts";
import {
  savedImages,
  sha256,
  streamOf,
  tarOf,
  withFolder,
  withImages,
  type SavedImage,
  type TestFile,
} from "../support/image-lab.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";
const LAYER = tarOf([{ path: "file", data: "one" }]);
const OTHER = tarOf([{ path: "file", data: "two" }]);

function load(images: ImageStore, ...saved: SavedImage[]): Promise<readonly string[]> {
  return images.load(streamOf(savedImages(saved)));
}

/** Nothing of images is left but what every store has. */
async function assertEmpty(images: ImageStore, dataDir: string): Promise<void> {
  await images.close();
  const folder = join(dataDir, "images");
  for (const name of [
    "layers",
    "inits",
    "snapshots",
    "l",
    "staging",
    "trash",
    "content/ingest",
    "content/blobs/sha256",
  ]) {
    assert.deepEqual(readdirSync(join(folder, name)), [], name);
  }
}

test("the busybox image loads, and says in Docker's words what it is", { skip }, () =>
  withImages(async (images, dataDir) => {
    const events: ImageEvent[] = [];
    images.events.on((event) => events.push(event));
    const lines: ProgressMessage[] = [];
    assert.deepEqual(await images.load(createReadStream(await testImage("busybox")), (line) => lines.push(line)), [
      "busybox:latest",
    ]);
    const image = images.get("busybox");
    assert.deepEqual(image.config.config?.Cmd, ["sh"]);
    assert.deepEqual(image.tags, ["busybox:latest"]);
    assert.equal(images.find(image.id.slice(7, 19))?.id, image.id);
    assert.equal(images.find("docker.io/library/busybox:latest")?.id, image.id);
    const last = lines.at(-1);
    assert.equal(last?.status, "Loading layer");
    assert.deepEqual(last?.progressDetail, { current: image.layers[0]?.size, total: image.layers[0]?.size });
    assert.match(last?.progress ?? "", /^\[=+>\] +[\d.]+MB\/[\d.]+MB$/);
    assert.deepEqual(
      events.map(({ action, name }) => `${action} ${name}`),
      ["load busybox:latest"],
    );
    const mode = statSync(join(dataDir, "images")).mode & 0o777;
    assert.equal(mode, 0o700);
  }),
);

test(
  "layers in gzip and zstd, old archives with links, OCI layouts, and an archive that is itself compressed",
  { skip },
  () =>
    withImages(async (images) => {
      const diffIds = [`sha256:${sha256(LAYER)}`, `sha256:${sha256(OTHER)}`];
      await load(images, { tags: ["mixed:1"], layers: [gzipSync(LAYER), zstdCompressSync(OTHER)], diffIds });
      assert.deepEqual(
        images.get("mixed:1").layers.map((layer) => layer.mediaType.split(".").at(-1)),
        ["tar+gzip", "tar+zstd"],
      );
      await images.load(streamOf(gzipSync(savedImages([{ tags: ["outer:1"], layers: [LAYER] }]))));
      await images.load(streamOf(zstdCompressSync(savedImages([{ tags: ["outer:2"], layers: [LAYER] }])), 100));
      assert.equal(images.get("outer:1").id, images.get("outer:2").id);
      const config = Buffer.from(
        JSON.stringify({
          architecture: "amd64",
          os: "linux",
          rootfs: { type: "layers", diff_ids: diffIds.slice(0, 1) },
        }),
      );
      const old: TestFile[] = [
        {
          path: "manifest.json",
          data: JSON.stringify([{ Config: "config.json", RepoTags: ["linked:1"], Layers: ["b/layer.tar"] }]),
        },
        { path: "config.json", data: config },
        { path: "a/layer.tar", data: LAYER },
        { path: "b/layer.tar", linkPath: "../a/layer.tar" },
      ];
      assert.deepEqual(await images.load(streamOf(tarOf(old))), ["linked:1"]);
    }),
);

function ociLayout(layer: Buffer, extra: object[] = []): TestFile[] {
  const config = Buffer.from(
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [`sha256:${sha256(LAYER)}`] },
    }),
  );
  const blob = (mediaType: string, data: Buffer) => ({
    mediaType,
    digest: `sha256:${sha256(data)}`,
    size: data.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      config: blob("application/vnd.oci.image.config.v1+json", config),
      layers: [blob("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
    }),
  );
  const index = {
    schemaVersion: 2,
    manifests: [
      ...extra,
      {
        ...blob("application/vnd.oci.image.manifest.v1+json", manifest),
        annotations: { "io.containerd.image.name": "docker.io/library/oci:1" },
      },
      {
        ...blob("application/vnd.oci.image.manifest.v1+json", manifest),
        annotations: { "org.opencontainers.image.ref.name": "latest" },
      },
    ],
  };
  return [
    { path: "oci-layout", data: '{"imageLayoutVersion":"1.0.0"}' },
    { path: "index.json", data: JSON.stringify(index) },
    ...[config, layer, manifest].map((data) => ({ path: `blobs/sha256/${sha256(data)}`, data })),
  ];
}

test("archives and layers packed with bzip2 and xz, as Docker takes them", { skip }, () =>
  withImages(async (images) => {
    for (const program of ["bzip2", "xz"]) {
      const packed = (bytes: Buffer): Buffer => execFileSync(program, ["-c"], { input: bytes });
      await images.load(streamOf(packed(savedImages([{ tags: [`${program}:outer`], layers: [LAYER] }]))));
      const diffIds = [`sha256:${sha256(LAYER)}`];
      await load(images, { tags: [`${program}:inner`], layers: [packed(LAYER)], diffIds });
      await images.import(streamOf(packed(LAYER)), { reference: `${program}:import` });
      for (const tag of ["outer", "inner", "import"]) {
        const { config, layers } = images.get(`${program}:${tag}`);
        assert.deepEqual(config.rootfs.diff_ids, diffIds, `${program}:${tag}`);
        // No media type says so: what is kept, and would be pushed, is the plain archive.
        assert.deepEqual([layers[0]?.mediaType.split(".").at(-1), layers[0]?.digest], ["tar", diffIds[0]]);
      }
      const torn = packed(savedImages([{ layers: [LAYER] }])).subarray(0, -20);
      await assert.rejects(images.load(streamOf(torn)), { code: "invalid", message: new RegExp(program) });
      await assert.rejects(images.import(streamOf(packed(LAYER).subarray(0, -20)), {}), {
        message: new RegExp(program),
      });
    }
  }),
);

test("an OCI layout keeps its manifest; a damaged entry fails alone", { skip }, () =>
  withImages(async (images) => {
    const files = ociLayout(gzipSync(LAYER));
    assert.deepEqual(await images.load(streamOf(tarOf(files))), ["oci:1"]);
    const manifest = images.get("oci:1").manifest.digest;
    assert.equal(
      files.some(({ path }) => path === `blobs/sha256/${manifest.slice(7)}`),
      true,
    );
    await images.remove("oci:1", { force: false, prune: true });
    const bad = [
      { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: "sha256:../../../etc/passwd", size: 1 },
    ];
    await assert.rejects(images.load(streamOf(tarOf(ociLayout(gzipSync(LAYER), bad)))), {
      code: "invalid",
      message: /manifests\[0\] digest .*invalid checksum digest/,
    });
    assert.equal(images.get("oci:1").manifest.digest, manifest, "the good image is there all the same");
  }),
);

test("what is damaged is refused, and leaves nothing behind", { skip }, () =>
  withFolder(async (dataDir) => {
    const images = await openImages({ dataDir });
    const archive = savedImages([{ tags: ["x:1"], layers: [LAYER] }]);
    const manifest = (text: string): Buffer => tarOf([{ path: "manifest.json", data: text }]);
    const cases: [string, Buffer, RegExp][] = [
      ["no archive", Buffer.from("hello"), /unexpected EOF/],
      ["random bytes", Buffer.alloc(2000, 7), /archive\/tar: invalid tar header/],
      ["nothing in it", tarOf([]), /neither a manifest.json nor an index.json/],
      ["cut short", archive.subarray(0, archive.length - 2000), /unexpected EOF|neither/],
      ["xz", Buffer.from("fd377a585a00000000", "hex"), /^xz: /],
      ["cut gzip", gzipSync(archive).subarray(0, 300), /not valid gzip: unexpected end of file/],
      ["null manifest", manifest("null"), /invalid manifest, manifest cannot be null \(but can be \[\]\)/],
      ["manifest no JSON", manifest("{"), /manifest.json is not JSON/],
      ["no config", manifest('[{"Config":"x.json","Layers":[]}]'), /open x.json: no such file in the archive/],
      ["config outside", manifest('[{"Config":"../../../../etc/passwd","Layers":[]}]'), /no such file in the archive/],
      [
        "wrong digest",
        savedImages([{ layers: [LAYER], diffIds: [`sha256:${"0".repeat(64)}`] }]),
        /layer has the digest sha256:[0-9a-f]{64} when uncompressed, not sha256:0{64}/,
      ],
      [
        "layer count",
        savedImages([{ layers: [LAYER], diffIds: [] }]),
        /invalid manifest, layers length mismatch: expected 1, got 0/,
      ],
      [
        "windows",
        savedImages([{ layers: [LAYER], document: { os: "windows" } }]),
        /cannot load windows image on linux/,
      ],
      [
        "escaping layer",
        savedImages([{ layers: [tarOf([{ path: "../../x", data: "" }])] }]),
        /"..\/..\/x" is outside of "\/"/,
      ],
      [
        "escaping link",
        savedImages([{ layers: [tarOf([{ path: "x", type: "link", linkPath: "../../etc/passwd" }])] }]),
        /invalid hardlink "x" -> "..\/..\/etc\/passwd"/,
      ],
      ["tag without tag", savedImages([{ tags: ["untagged"], layers: [LAYER] }]), /invalid tag "untagged"/],
      [
        "bad tag",
        savedImages([{ tags: ["UPPER:1"], layers: [LAYER] }]),
        /repository name \(library\/UPPER\) must be lowercase/,
      ],
      ["second layer bad", savedImages([{ layers: [LAYER, Buffer.alloc(600, 9)] }]), /invalid tar header/],
    ];
    for (const [name, bytes, message] of cases) {
      await assert.rejects(images.load(streamOf(bytes)), { message }, name);
      assert.deepEqual(images.list(), [], name);
    }
    await assertEmpty(images, dataDir);
  }),
);

test("names: tag, move, remove by name and id, with Docker's conflicts", { skip }, () =>
  withImages(async (images) => {
    await load(images, { tags: ["app:1", "app:2"], layers: [LAYER] });
    const { id } = images.get("app:1");
    const short = id.slice(7, 19);
    await images.tag("app:1", "localhost:5000/team/app");
    assert.deepEqual(images.get(short).tags, ["app:1", "app:2", "localhost:5000/team/app:latest"]);
    await assert.rejects(images.tag("nothing", "x"), { code: "not-found", message: "No such image: nothing:latest" });
    await assert.rejects(images.tag("app:1", `x@${id}`), {
      code: "invalid",
      message: "refusing to create a tag with a digest reference",
    });
    await assert.rejects(images.tag("app:1", "sha256:x"), {
      code: "invalid",
      message: /refusing to create an ambiguous tag/,
    });
    await assert.rejects(images.tag("app:1", "A"), { code: "invalid", message: /must be lowercase/ });
    await assert.rejects(images.remove(id, { force: false, prune: true }), {
      code: "conflict",
      message: `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
    });
    assert.deepEqual(await images.remove("app:2", { force: false, prune: true }), [{ Untagged: "app:2" }]);
    const lines: ProgressMessage[] = [];
    await images.load(streamOf(savedImages([{ tags: ["app:1"], layers: [OTHER] }])), (line) => lines.push(line));
    assert.equal(
      lines.at(-1)?.stream,
      `The image app:1 already exists, renaming the old one with ID ${id} to empty string\n`,
    );
    assert.deepEqual(images.get(id).tags, ["localhost:5000/team/app:latest"]);
    assert.deepEqual(await images.remove(short, { force: false, prune: true }), [
      { Untagged: "localhost:5000/team/app:latest" },
      { Deleted: id },
      { Deleted: `sha256:${sha256(LAYER)}` },
    ]);
    assert.throws(() => images.get(id), { code: "not-found", message: `No such image: ${id}` });
  }),
);

test("containers and children keep an image, as Docker says it", { skip }, () =>
  withImages(async (images) => {
    await load(images, { tags: ["base:1"], layers: [LAYER] });
    const base = images.get("base:1");
    let users: ImageUser[] = [{ containerId: "c".repeat(64), running: false }];
    images.setUsers((id) => (id === base.id ? users : []));
    const short = base.id.slice(7, 19);
    await assert.rejects(images.remove("base:1", { force: false, prune: true }), {
      code: "conflict",
      message: `conflict: unable to remove repository reference "base:1" (must force) - container cccccccccccc is using its referenced image ${short}`,
    });
    await assert.rejects(images.remove(short, { force: false, prune: true }), {
      message: `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container cccccccccccc`,
    });
    users = [{ containerId: "c".repeat(64), running: true }];
    await assert.rejects(images.remove(short, { force: true, prune: true }), {
      message: `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container cccccccccccc`,
    });
    assert.deepEqual(
      await images.remove("base:1", { force: true, prune: true }),
      [{ Untagged: "base:1" }],
      "the name goes, the image stays",
    );
    assert.deepEqual(images.get(base.id).tags, []);
    users = [];
    const child = await images.commitLayer(
      streamOf(OTHER),
      { ...base.config, history: [{}, { created_by: "x" }] },
      base.id,
      "child:1",
    );
    await assert.rejects(images.remove(short, { force: true, prune: true }), {
      message: `conflict: unable to delete ${short} (cannot be forced) - image has dependent child images`,
    });
    assert.deepEqual((await images.prune({ dangling: true })).removed, []);
    const removed = await images.remove("child:1", { force: false, prune: true });
    assert.deepEqual(removed.map(({ Untagged, Deleted }) => Untagged ?? Deleted).slice(0, 2), ["child:1", child]);
    assert.deepEqual(
      removed.filter(({ Deleted }) => Deleted === base.id).length,
      1,
      "the untagged parent goes with it",
    );
    assert.deepEqual(images.list(), []);
  }),
);

test("a snapshot keeps its layers though the image is gone, and prune takes what is left", { skip }, () =>
  withFolder(async (dataDir) => {
    const images = await openImages({ dataDir });
    await load(images, { tags: ["a:1"], layers: [LAYER] }, { layers: [LAYER, OTHER] });
    await images.createSnapshot("s", images.get("a:1").id);
    await assert.rejects(images.createSnapshot("s", undefined), { code: "already-exists" });
    await assert.rejects(images.createSnapshot("../x", undefined), { code: "invalid" });
    await assert.rejects(images.createSnapshot("t", `sha256:${"1".repeat(64)}`), { code: "not-found" });
    const pruned = await images.prune({ dangling: true });
    assert.equal(pruned.reclaimedBytes, 3);
    await images.remove("a:1", { force: true, prune: true });
    await images.close();
    const again = await openImages({ dataDir });
    const mount = again.snapshot("s")?.mount;
    assert(mount?.kind === "overlay");
    assert.equal(readFileSync(join(mount.lower[1] ?? "", "file"), "utf8"), "one");
    await again.removeSnapshot("s");
    await assertEmpty(again, dataDir);
  }),
);

test("save and load again: the same images, digests and all; one archive for several", { skip }, () =>
  withFolder(async (dataDir) => {
    const images = await openImages({ dataDir: join(dataDir, "a") });
    await load(
      images,
      { tags: ["one:1", "one:2"], layers: [gzipSync(LAYER)], diffIds: [`sha256:${sha256(LAYER)}`] },
      { tags: ["two:1"], layers: [LAYER, OTHER] },
    );
    assert.throws(() => images.save(["nothing"]), { code: "not-found", message: "No such image: nothing:latest" });
    const archive = await buffer(images.save(["one", "two:1"]));
    writeFileSync(join(dataDir, "saved.tar"), archive);
    const list = execFileSync("tar", ["-tf", join(dataDir, "saved.tar")], { encoding: "utf8" }).split("\n");
    for (const path of ["blobs/sha256/", "index.json", "manifest.json", "oci-layout", "repositories"])
      assert(list.includes(path), path);
    const other = await openImages({ dataDir: join(dataDir, "b") });
    assert.deepEqual([...(await other.load(streamOf(archive)))].sort(), ["one:1", "one:2", "two:1"]);
    for (const name of ["one:1", "two:1"]) {
      assert.equal(other.get(name).id, images.get(name).id);
      assert.equal(other.get(name).manifest.digest, images.get(name).manifest.digest);
    }
    const again = await buffer(other.save(["one", "two:1"]));
    assert.equal(sha256(again), sha256(archive), "the same images make the same archive");
    const byId = await buffer(images.save([images.get("two:1").id]));
    await other.remove("two:1", { force: false, prune: true });
    assert.deepEqual(await other.load(streamOf(byId)), [images.get("two:1").id]);
    await Promise.all([images.close(), other.close()]);
  }),
);

test("import makes an image of one layer, with changes, message and name", { skip }, () =>
  withImages(async (images) => {
    const id = await images.import(streamOf(gzipSync(LAYER)), {
      reference: "imported:1",
      message: "from a test",
      changes: ['CMD ["run"]', "ENV A=b", "EXPOSE 80"],
      platform: { os: "linux", architecture: "aarch64" },
    });
    const { config, layers } = images.get("imported:1");
    assert.equal(images.get("imported:1").id, id);
    assert.deepEqual(config.config?.Cmd, ["run"]);
    assert.deepEqual(config.config?.Env, ["A=b"]);
    assert.deepEqual(Object.keys(config.config?.ExposedPorts ?? {}), ["80/tcp"]);
    assert.equal(config.architecture, "arm64");
    assert.equal(config.history?.[0]?.comment, "from a test");
    assert.deepEqual(config.rootfs.diff_ids, [`sha256:${sha256(LAYER)}`]);
    assert.equal(layers[0]?.mediaType, "application/vnd.oci.image.layer.v1.tar+gzip");
    await assert.rejects(images.import(streamOf(LAYER), { changes: ["RUN x"] }), {
      message: /RUN is not a valid change command/i,
    });
    await assert.rejects(images.import(streamOf(Buffer.from("x")), {}), { code: "invalid" });
    assert.equal(images.list().length, 1);
    assert.deepEqual(
      images.history(id).map(({ id: row, size, comment, tags }) => ({ row, size, comment, tags })),
      [{ row: id, size: 3, comment: "from a test", tags: ["imported:1"] }],
    );
  }),
);

test("the same image loaded by several at once is there once", { skip }, () =>
  withImages(async (images) => {
    const archive = savedImages([{ tags: ["same:1"], layers: [LAYER, OTHER] }]);
    const results = await Promise.all(Array.from({ length: 6 }, () => images.load(streamOf(archive, 1000))));
    for (const names of results) assert.deepEqual(names, ["same:1"]);
    assert.equal(images.list().length, 1);
    const usage = await images.usage();
    assert(usage.layersBytes > 0 && usage.totalBytes > usage.layersBytes);
    assert.equal((await images.remove("same:1", { force: false, prune: true })).length, 4);
  }),
);

test("a data root is opened by one process at a time, and takes up where it was left", { skip }, () =>
  withFolder(async (dataDir) => {
    const images = await openImages({ dataDir });
    await load(images, { tags: ["kept:1"], layers: [LAYER] });
    await assert.rejects(openImages({ dataDir }), { code: "conflict", message: /in use by another process/ });
    await images.close();
    const folder = join(dataDir, "images");
    const [layer = ""] = readdirSync(join(folder, "layers"));
    for (const junk of ["staging/x", "trash/y", "content/ingest/z", "l/zz", "layers/half"])
      writeFileSync(join(folder, junk), "");
    // A layer that did not outlive a crash of the machine is unpacked again from its blob.
    writeFileSync(join(folder, "layers", layer, "layer.json"), "");
    const again = await openImages({ dataDir });
    assert.equal(readFileSync(join(folder, "layers", layer, "diff/file"), "utf8"), "one");
    await again.remove("kept:1", { force: false, prune: true });
    await assertEmpty(again, dataDir);
  }),
);

test("disk usage is what du says", { skip }, () =>
  withImages(async (images, dataDir) => {
    await images.load(createReadStream(await testImage("redis")));
    const { totalBytes } = await images.usage();
    const du = Number(
      execFileSync("du", ["-s", "--block-size=1", join(dataDir, "images")], { encoding: "utf8" }).split("\t")[0],
    );
    assert(Math.abs(totalBytes - du) / du < 0.01, `usage ${totalBytes}, du ${du}`);
  }),
);
