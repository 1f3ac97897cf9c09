import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { ProgressMessage } from "#images/image-store.ts";
import { savedImages, sha256, streamOf, tarOf } from "../support/image-lab.ts";
import { withRegistry, type RegistryLab } from "../support/registry-lab.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";
const LAYER = tarOf([{ path: "file", data: "one" }]);
const BIG = tarOf([{ path: "big", data: randomBytes(3 << 20) }]);

/** Loads an image of two layers under a name of the lab's registry. */
async function loadNamed(
  { images, host }: RegistryLab,
  name = "app:1",
  layers: readonly Buffer[] = [LAYER, BIG],
): Promise<string> {
  await images.load(streamOf(savedImages([{ tags: [`${host}/${name}`], layers }])));
  return images.get(`${host}/${name}`).id;
}

const statuses = (lines: readonly ProgressMessage[]): string[] =>
  lines.map(({ id, status }) => (id ? `${id}: ${status}` : (status ?? "")));

test("push and pull again: the same image, Docker's own lines", { skip }, () =>
  withRegistry(async (lab) => {
    const { images, host } = lab;
    const name = `${host}/team/app:1`;
    const id = await loadNamed(lab, "team/app:1");
    const lines: ProgressMessage[] = [];
    await images.push(name, { report: (line) => lines.push(line) });
    const [digest = ""] = images.get(name).digests;
    assert.match(digest, new RegExp(`^${host}/team/app@sha256:[0-9a-f]{64}$`));
    const pushed = statuses(lines);
    const [first = "", second = ""] = images.get(name).config.rootfs.diff_ids.map((diffId) => diffId.slice(7, 19));
    assert.equal(pushed[0], `The push refers to repository [${host}/team/app]`);
    for (const layer of [first, second])
      for (const status of ["Preparing", "Pushed"]) assert(pushed.includes(`${layer}: ${status}`), pushed.join("\n"));
    assert.match(pushed.at(-2) ?? "", /^1: digest: sha256:[0-9a-f]{64} size: \d+$/);
    assert.deepEqual(lines.at(-1)?.aux, {
      Tag: "1",
      Digest: digest.split("@")[1],
      Size: Number(pushed.at(-2)?.split(" ").at(-1)),
    });

    const again: ProgressMessage[] = [];
    await images.push(name, { report: (line) => again.push(line) });
    assert(statuses(again).includes(`${first}: Layer already exists`));

    const other = await lab.open();
    const pulled: ProgressMessage[] = [];
    const image = await other.pull(name, { report: (line) => pulled.push(line) });
    assert.equal(image.id, id);
    assert.deepEqual(image.tags, [name]);
    assert.deepEqual(image.digests, [digest]);
    const short = image.layers.map((layer) => layer.digest.slice(7, 19));
    const said = statuses(pulled);
    assert.equal(said[0], "1: Pulling from team/app");
    for (const layer of short)
      for (const status of [
        "Pulling fs layer",
        "Verifying Checksum",
        "Download complete",
        "Extracting",
        "Pull complete",
      ])
        assert(said.includes(`${layer}: ${status}`), said.join("\n"));
    assert.deepEqual(said.slice(-2), [`Digest: ${digest.split("@")[1]}`, `Status: Downloaded newer image for ${name}`]);

    const fresh: ProgressMessage[] = [];
    await other.pull(name, { report: (line) => fresh.push(line) });
    assert.equal(statuses(fresh).at(-1), `Status: Image is up to date for ${name}`);
    await other.remove(id, { force: true, prune: true });
    assert.equal((await other.pull(digest, {})).id, id);
    assert.deepEqual(other.get(id).tags, []);
  }),
);

test("layers in zstd and gzip are sent as they are, and keep their digests", { skip }, () =>
  withRegistry(async (lab) => {
    const { images, host } = lab;
    const diffIds = [LAYER, BIG].map((layer) => `sha256:${sha256(layer)}`);
    await images.load(
      streamOf(savedImages([{ tags: [`${host}/mixed:1`], layers: [gzipSync(LAYER), zstdCompressSync(BIG)], diffIds }])),
    );
    await images.push(`${host}/mixed:1`, {});
    const pulled = await (await lab.open()).pull(`${host}/mixed:1`, {});
    assert.deepEqual(pulled.layers, images.get(`${host}/mixed:1`).layers);
    assert.equal(pulled.manifest.digest, images.get(`${host}/mixed:1`).manifest.digest);
  }),
);

test("all tags of a repository; layers that another repository has are mounted", { skip }, () =>
  withRegistry(async (lab) => {
    const { images, host, requests } = lab;
    const id = await loadNamed(lab, "a:1");
    await images.tag(id, `${host}/a:2`);
    await images.push(`${host}/a`, { allTags: true });
    await images.tag(id, `${host}/b:1`);
    requests.length = 0;
    const lines: ProgressMessage[] = [];
    await images.push(`${host}/b:1`, { report: (line) => lines.push(line) });
    assert(
      statuses(lines).some((line) => line.endsWith("Mounted from a")),
      statuses(lines).join("\n"),
    );
    assert.deepEqual(
      requests.filter((line) => line.startsWith("PATCH")),
      ["PATCH"].flatMap(() => requests.filter((line) => line.startsWith("PATCH /v2/b/")).slice(0, 1)),
      "only the configuration is sent",
    );
    const tags = (await (await fetch(`${lab.url}/v2/a/tags/list`)).json()) as object;
    assert.deepEqual(tags, { name: "a", tags: ["1", "2"] });
  }),
);

test("what is not there, or not to be had, in Docker's words", { skip }, () =>
  withRegistry(async (lab) => {
    const { images, host } = lab;
    await loadNamed(lab);
    await assert.rejects(images.pull(`${host}/app:1`, {}), {
      code: "not-found",
      message: `repository ${host}/app not found: name unknown: repository name not known to registry`,
    });
    await images.push(`${host}/app:1`, {});
    await assert.rejects(images.pull(`${host}/app:2`, {}), {
      code: "not-found",
      message: `manifest for ${host}/app:2 not found: manifest unknown: manifest unknown`,
    });
    await assert.rejects(images.pull(`${host}/app@sha256:${"a".repeat(64)}`, {}), {
      code: "not-found",
      message: /not found: manifest unknown/,
    });
    await assert.rejects(images.push(`${host}/other:1`, {}), {
      message: `An image does not exist locally with the tag: ${host}/other`,
    });
    await assert.rejects(images.push(`${host}/app:9`, {}), { message: `tag does not exist: ${host}/app:9` });
    await assert.rejects(images.push(`${host}/app@sha256:${"a".repeat(64)}`, {}), {
      message: "cannot push a digest reference",
    });
    await assert.rejects(images.pull("localhost:1/x", {}), {
      code: "unavailable",
      message: /^Get "http:\/\/localhost:1\/v2\/": dial tcp \S+:1: connect: connection refused$/,
    });
    const { id } = images.get(`${host}/app:1`);
    await images.tag(id, `${host}/arm:1`);
    await assert.rejects(images.push(`${host}/arm:1`, { platform: { os: "linux", architecture: "arm64" } }), {
      code: "not-found",
      message: /does not match the specified platform: wanted linux\/arm64, actual: linux\/amd64/,
    });
    const lines: ProgressMessage[] = [];
    await images.pull(`${host}/app:1`, {
      platform: { os: "linux", architecture: "arm64" },
      report: (line) => lines.push(line),
    });
    assert(statuses(lines).some((line) => line.startsWith("WARNING: image with reference")));
  }),
);

test("an index gives the manifest for the platform that is asked for", { skip }, () =>
  withRegistry(async (lab) => {
    const { images, host, url } = lab;
    const entries: object[] = [];
    for (const architecture of ["amd64", "arm64"]) {
      await images.load(
        streamOf(
          savedImages([
            {
              tags: [`${host}/multi:${architecture}`],
              layers: [tarOf([{ path: "arch", data: architecture }])],
              document: { architecture },
            },
          ]),
        ),
      );
      await images.push(`${host}/multi:${architecture}`, {});
      const response = await fetch(`${url}/v2/multi/manifests/${architecture}`);
      const size = (await response.arrayBuffer()).byteLength;
      entries.push({
        mediaType: response.headers.get("content-type"),
        digest: response.headers.get("docker-content-digest"),
        size,
        platform: { os: "linux", architecture },
      });
    }
    const mediaType = "application/vnd.oci.image.index.v1+json";
    const put = await fetch(`${url}/v2/multi/manifests/latest`, {
      method: "PUT",
      headers: { "content-type": mediaType },
      body: JSON.stringify({ schemaVersion: 2, mediaType, manifests: entries }),
    });
    assert.equal(put.status, 201);
    const other = await lab.open({ platform: { os: "linux", architecture: "arm64" } });
    const image = await other.pull(`${host}/multi`, {});
    assert.equal(image.config.architecture, "arm64");
    assert.deepEqual(image.digests, [`${host}/multi@${put.headers.get("docker-content-digest")}`]);
    assert.equal(
      (await other.pull(`${host}/multi`, { platform: { os: "linux", architecture: "amd64" } })).config.architecture,
      "amd64",
    );
    await assert.rejects(other.pull(`${host}/multi`, { platform: { os: "linux", architecture: "s390x" } }), {
      code: "not-found",
      message: "no matching manifest for linux/s390x in the manifest list entries",
    });
  }),
);

test("a download that breaks off is taken up where it broke, again and again", { skip }, () =>
  withRegistry(async (lab) => {
    const id = await loadNamed(lab);
    await lab.images.push(`${lab.host}/app:1`, {});
    let breaks = 0;
    const ranges: (string | undefined)[] = [];
    lab.intercept(async (request, response, next) => {
      const digest = /\/blobs\/(sha256:.+)$/.exec(request.url ?? "")?.[1];
      if (digest === undefined || request.method !== "GET") return next();
      const { range } = request.headers;
      const bytes = await lab.store.content.bytes(digest, 1 << 30);
      if (bytes.length < 1_000_000) return next();
      ranges.push(range);
      if (breaks++ >= 3) return next();
      // A part of what is announced, and then the end of the connection.
      const rest = bytes.subarray(Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0));
      response.writeHead(range === undefined ? 200 : 206, { "content-length": rest.length });
      response.write(rest.subarray(0, 600_000), () => response.destroy());
    });
    const other = await lab.open();
    const lines: ProgressMessage[] = [];
    assert.equal((await other.pull(`${lab.host}/app:1`, { report: (line) => lines.push(line) })).id, id);
    assert(
      ranges.some((range) => /^bytes=[1-9]\d*-$/.test(range ?? "")),
      ranges.join(),
    );
    assert(
      statuses(lines).some((line) => line.endsWith("Retrying in 1 second")),
      statuses(lines).join("\n"),
    );
  }),
);

test("an upload that breaks off goes on where the registry says it stands", { skip }, () =>
  withRegistry(async (lab) => {
    const id = await loadNamed(lab);
    let breaks = 0;
    lab.intercept((request, _response, next) => {
      if (request.method === "PATCH" && breaks < 2 && Number(request.headers["content-length"]) > 1_000_000) {
        breaks++;
        setTimeout(() => request.socket.destroy(), 30);
      }
      return next();
    });
    await lab.images.push(`${lab.host}/app:1`, {});
    assert(breaks > 0);
    assert.equal((await (await lab.open()).pull(`${lab.host}/app:1`, {})).id, id);
  }),
);

test("bytes that are not what the manifest says are refused, and nothing stays", { skip }, () =>
  withRegistry(async (lab) => {
    await loadNamed(lab);
    await lab.images.push(`${lab.host}/app:1`, {});
    const other = await lab.open();
    const attacks: [string, (bytes: Buffer) => Buffer, RegExp][] = [
      [
        "other bytes",
        (bytes) => Buffer.from(bytes).fill(1, 100, 120),
        /verification failed for digest|not valid gzip|config verification failed/,
      ],
      [
        "more bytes",
        (bytes) => Buffer.concat([bytes, bytes]),
        /has more than its \d+ bytes|config verification failed|Parse Error/,
      ],
      ["manifest changed", (bytes) => bytes, /verification failed for digest/],
    ];
    for (const [name, change, message] of attacks) {
      lab.intercept(async (request, response, next) => {
        if (request.headers["x-direct"]) return next();
        const answer = await fetch(`${lab.url}${request.url}`, {
          method: request.method ?? "GET",
          headers: { "x-direct": "1" },
        });
        const bytes = Buffer.from(await answer.arrayBuffer());
        const manifest = request.url?.includes("/manifests/");
        const body =
          manifest && name === "manifest changed"
            ? Buffer.concat([bytes, Buffer.from(" ")])
            : request.url?.includes("/blobs/")
              ? change(bytes)
              : bytes;
        response.writeHead(answer.status, {
          "content-type": answer.headers.get("content-type") ?? "",
          "content-length": body.length,
        });
        response.end(body);
      });
      const reference =
        name === "manifest changed"
          ? `${lab.host}/app@${lab.images.get(`${lab.host}/app:1`).digests[0]?.split("@")[1]}`
          : `${lab.host}/app:1`;
      await assert.rejects(other.pull(reference, {}), { message }, name);
      assert.deepEqual(other.list(), [], name);
      assert.deepEqual(readdirSync(other.content.ingestFolder), [], name);
      assert.equal(other.content.totalBytes, 0, name);
    }
  }),
);

test("a pull that is given up ends at once and leaves nothing", { skip }, () =>
  withRegistry(async (lab) => {
    await loadNamed(lab);
    await lab.images.push(`${lab.host}/app:1`, {});
    lab.intercept(async (request, response, next) => {
      // The registry falls silent.
      if (!request.url?.includes("/blobs/")) return next();
      response.setTimeout(0);
    });
    const other = await lab.open();
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 200);
    const start = performance.now();
    await assert.rejects(other.pull(`${lab.host}/app:1`, { signal: stop.signal }), { code: "cancelled" });
    assert(performance.now() - start < 5000);
    assert.equal(other.content.totalBytes, 0);
    assert.deepEqual(readdirSync(join(other.content.ingestFolder, "../..", "staging")), []);
  }),
);
