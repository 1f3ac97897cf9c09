// skopeo as a stranger's client: against our registry, and as a judge of the archives that we write and read.
import assert from "node:assert/strict";
import { createReadStream, createWriteStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { testImage } from "#test/images.ts";
import { skopeo } from "#test/skopeo.ts";
import { withFolder } from "../support/image-lab.ts";
import { withRegistry } from "../support/registry-lab.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";
const plain = { source: "--src-tls-verify=false", target: "--dest-tls-verify=false" };

test("skopeo pushes to the registry, and what it pushed is pulled; and the other way round", { skip }, () =>
  withRegistry(async (lab) => {
    const archive = `docker-archive:${await testImage("redis")}`;
    await skopeo("copy", plain.target, archive, `docker://${lab.host}/from/skopeo:1`);
    const image = await lab.images.pull(`${lab.host}/from/skopeo:1`, {});
    assert.deepEqual(image.config.config?.Entrypoint, ["docker-entrypoint.sh"]);
    await lab.images.tag(image.id, `${lab.host}/from/gantry:2`);
    await lab.images.push(`${lab.host}/from/gantry:2`, {});
    await withFolder(async (folder) => {
      await skopeo("copy", plain.source, `docker://${lab.host}/from/gantry:2`, `dir:${folder}/layout`);
      assert((await readdir(join(folder, "layout"))).includes(image.id.slice("sha256:".length)));
    });
    const inspected = JSON.parse(
      await skopeo("inspect", "--tls-verify=false", `docker://${lab.host}/from/gantry:2`),
    ) as { Digest: string; RepoTags: string[] };
    assert.equal(
      lab.images.get(`${lab.host}/from/gantry:2`).digests.some((name) => name.endsWith(inspected.Digest)),
      true,
    );
    assert.deepEqual(inspected.RepoTags, ["2"]);
    const tags = JSON.parse(await skopeo("list-tags", "--tls-verify=false", `docker://${lab.host}/from/skopeo`)) as {
      Tags: string[];
    };
    assert.deepEqual(tags.Tags, ["1"]);
    await skopeo("delete", "--tls-verify=false", `docker://${lab.host}/from/gantry:2`);
    await assert.rejects(lab.images.pull(`${lab.host}/from/gantry:2`, {}), { code: "not-found" });
  }),
);

test("skopeo pushes as OCI, as Docker, and with zstd", { skip }, () =>
  withRegistry(async (lab) => {
    const archive = `docker-archive:${await testImage("busybox")}`;
    for (const [tag, ...options] of [
      // First of all: a layer that is there already is not compressed once more.
      ["zstd", "--format=oci", "--dest-compress-format=zstd"],
      ["oci", "--format=oci"],
      ["docker", "--format=v2s2"],
    ] as const) {
      await skopeo("copy", plain.target, ...options, archive, `docker://${lab.host}/box:${tag}`);
      const other = await lab.open();
      const { config, layers } = await other.pull(`${lab.host}/box:${tag}`, {});
      assert.deepEqual(config.config?.Cmd, ["sh"], tag);
      if (tag === "zstd")
        assert.deepEqual(
          layers.map(({ mediaType }) => mediaType),
          ["application/vnd.oci.image.layer.v1.tar+zstd"],
        );
    }
  }),
);

test(
  "skopeo reads what save writes, as a docker archive and as an OCI archive; load reads what skopeo writes",
  { skip },
  () =>
    withRegistry(async ({ images, open }) => {
      await images.load(createReadStream(await testImage("redis")));
      const { id } = images.get("redis");
      await withFolder(async (folder) => {
        const saved = join(folder, "saved.tar");
        await pipeline(images.save(["redis:latest"]), createWriteStream(saved));
        await skopeo("copy", `docker-archive:${saved}`, `docker-archive:${folder}/again.tar:redis:again`);
        await skopeo("copy", `oci-archive:${saved}`, `oci-archive:${folder}/oci.tar:localhost/redis:oci`);
        const other = await open();
        assert.deepEqual(await other.load(createReadStream(join(folder, "again.tar"))), ["redis:again"]);
        assert.deepEqual(await other.load(createReadStream(join(folder, "oci.tar"))), ["localhost/redis:oci"]);
        assert.equal(other.get("redis:again").id, id);
        assert.equal(other.get("localhost/redis:oci").id, id);
      });
    }),
);
