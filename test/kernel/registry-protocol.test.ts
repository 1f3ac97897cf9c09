// The OCI distribution-spec 1.1, endpoint by endpoint, over plain HTTP: what its conformance suite asks, and more.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { virtualClock } from "#base/clock.ts";
import { openImages } from "#images/open-images.ts";
import { createRegistry } from "#registry/create-registry.ts";
import { sha256, withFolder } from "../support/image-lab.ts";
import { withRegistry, type RegistryLab } from "../support/registry-lab.ts";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
  /** The code of the first error. */
  readonly code: string | undefined;
}

function client({
  url,
}: RegistryLab): (
  method: string,
  path: string,
  options?: { body?: Buffer | string; headers?: Record<string, string> },
) => Promise<Answer> {
  return async (method, path, { body, headers = {} } = {}) => {
    const response = await fetch(new URL(path, url), {
      method,
      headers,
      redirect: "manual",
      ...(body === undefined ? {} : { body: new Uint8Array(Buffer.from(body)) }),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const json =
      response.headers.get("content-type")?.includes("json") && bytes.length > 0
        ? (JSON.parse(bytes.toString()) as { errors?: { code: string }[] })
        : undefined;
    return { status: response.status, headers: response.headers, body: bytes, code: json?.errors?.[0]?.code };
  };
}

type Client = ReturnType<typeof client>;

const digestOf = (data: Buffer | string): string => `sha256:${sha256(data)}`;

async function pushBlob(
  call: Client,
  name: string,
  data: Buffer,
): Promise<{ mediaType: string; digest: string; size: number }> {
  const digest = digestOf(data);
  const { status } = await call("POST", `/v2/${name}/blobs/uploads/?digest=${digest}`, { body: data });
  assert.equal(status, 201);
  return { mediaType: "application/octet-stream", digest, size: data.length };
}

async function pushManifest(
  call: Client,
  name: string,
  tag: string,
  extra: object = {},
): Promise<{ mediaType: string; digest: string; size: number }> {
  const config = { ...(await pushBlob(call, name, Buffer.from("{}"))), mediaType: "application/vnd.oci.empty.v1+json" };
  const body = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers: [], ...extra });
  const { status, headers } = await call("PUT", `/v2/${name}/manifests/${tag}`, {
    body,
    headers: { "content-type": MANIFEST },
  });
  assert.equal(status, 201);
  assert.equal(headers.get("docker-content-digest"), digestOf(body));
  return { mediaType: MANIFEST, digest: digestOf(body), size: body.length };
}

test("version check, unknown paths, bad names", () =>
  withRegistry(async (lab) => {
    const call = client(lab);
    const version = await call("GET", "/v2/");
    assert.equal(version.status, 200);
    assert.equal(version.headers.get("docker-distribution-api-version"), "registry/2.0");
    const cases: [string, string, number, string | undefined][] = [
      ["GET", "/", 404, undefined],
      ["GET", "/v1/", 404, undefined],
      ["GET", "/v2/UPPER/tags/list", 400, "NAME_INVALID"],
      ["GET", "/v2/a/../b/tags/list", 404, "NAME_UNKNOWN"],
      ["GET", "/v2/%2e%2e%2fx/tags/list", 400, "NAME_INVALID"],
      ["GET", `/v2/${"a".repeat(300)}/tags/list`, 400, "NAME_INVALID"],
      ["GET", "/v2/none/tags/list", 404, "NAME_UNKNOWN"],
      ["GET", "/v2/none/manifests/latest", 404, "NAME_UNKNOWN"],
      ["GET", `/v2/none/blobs/${digestOf("x")}`, 404, "NAME_UNKNOWN"],
      ["GET", "/v2/none/blobs/sha256:xyz", 400, "DIGEST_INVALID"],
      ["GET", "/v2/none/manifests/bad%20tag", 400, "TAG_INVALID"],
      ["PUT", "/v2/none/tags/list", 405, "UNSUPPORTED"],
      ["GET", "/v2/none/blobs/uploads/x", 404, "BLOB_UPLOAD_UNKNOWN"],
    ];
    for (const [method, path, status, code] of cases) {
      const answer = await call(method, path);
      assert.deepEqual([answer.status, answer.code], [status, code], `${method} ${path}`);
    }
  }));

test("blobs in one request, in two, in chunks; out of order; with the wrong digest", () =>
  withRegistry(async (lab) => {
    const call = client(lab);
    const data = randomBytes(100_000);
    await pushBlob(call, "one", data);
    const begun = await call("POST", "/v2/two/blobs/uploads/");
    assert.equal(begun.status, 202);
    const place = begun.headers.get("location") ?? "";
    const put = await call("PUT", `${place}?digest=${digestOf(data)}`, { body: data });
    assert.equal(put.status, 201);
    assert.equal(put.headers.get("location"), `/v2/two/blobs/${digestOf(data)}`);

    let next = (await call("POST", "/v2/three/blobs/uploads/")).headers.get("location") ?? "";
    const first = await call("PATCH", next, {
      body: data.subarray(0, 60_000),
      headers: { "content-range": "0-59999" },
    });
    assert.deepEqual([first.status, first.headers.get("range")], [202, "0-59999"]);
    next = first.headers.get("location") ?? "";
    const wrong = await call("PATCH", next, {
      body: data.subarray(70_000),
      headers: { "content-range": "70000-99999" },
    });
    assert.deepEqual([wrong.status, wrong.code, wrong.headers.get("range")], [416, "RANGE_INVALID", "0-59999"]);
    const state = await call("GET", next);
    assert.deepEqual([state.status, state.headers.get("range")], [204, "0-59999"]);
    await call("PATCH", next, { body: data.subarray(60_000, 80_000), headers: { "content-range": "60000-79999" } });
    const last = await call("PUT", `${next}?digest=${digestOf(data)}`, {
      body: data.subarray(80_000),
      headers: { "content-range": "80000-99999" },
    });
    assert.equal(last.status, 201);
    assert.deepEqual((await call("GET", `/v2/three/blobs/${digestOf(data)}`)).body, data);

    const bad = await call("POST", `/v2/four/blobs/uploads/?digest=${digestOf("else")}`, { body: data });
    assert.deepEqual([bad.status, bad.code], [400, "DIGEST_INVALID"]);
    assert.equal((await call("HEAD", `/v2/four/blobs/${digestOf("else")}`)).status, 404);
    const malformed = (await call("POST", "/v2/four/blobs/uploads/")).headers.get("location") ?? "";
    assert.equal((await call("PUT", `${malformed}?digest=md5:1`, { body: data })).code, "DIGEST_INVALID");
    assert.equal(
      (await call("PATCH", malformed.replace("/four/", "/five/"), { body: data })).code,
      "BLOB_UPLOAD_UNKNOWN",
      "an upload is its repository's",
    );
    assert.equal((await call("DELETE", malformed)).status, 204);
    assert.equal((await call("GET", malformed)).code, "BLOB_UPLOAD_UNKNOWN");
  }));

test("a blob with a SHA-512 digest", () =>
  withRegistry(async (lab) => {
    const call = client(lab);
    const { createHash } = await import("node:crypto");
    const digest = `sha512:${createHash("sha512").update("data").digest("hex")}`;
    assert.equal((await call("POST", `/v2/x/blobs/uploads/?digest=${digest}`, { body: "data" })).status, 201);
    assert.equal((await call("GET", `/v2/x/blobs/${digest}`)).body.toString(), "data");
  }));

test("reading parts of a blob, and not reading what is known", () =>
  withRegistry(async (lab) => {
    const call = client(lab);
    const { digest } = await pushBlob(call, "x", Buffer.from("0123456789"));
    const path = `/v2/x/blobs/${digest}`;
    const part = async (range: string): Promise<[number, string, string | null]> => {
      const { status, body, headers } = await call("GET", path, { headers: { range } });
      return [status, body.toString(), headers.get("content-range")];
    };
    assert.deepEqual(await part("bytes=2-4"), [206, "234", "bytes 2-4/10"]);
    assert.deepEqual(await part("bytes=7-"), [206, "789", "bytes 7-9/10"]);
    assert.deepEqual(await part("bytes=-3"), [206, "789", "bytes 7-9/10"]);
    assert.deepEqual(await part("bytes=5-100"), [206, "56789", "bytes 5-9/10"]);
    assert.deepEqual(await part("bytes=0-1,3-4"), [200, "0123456789", null]);
    assert.equal((await call("GET", path, { headers: { range: "bytes=10-" } })).status, 416);
    const head = await call("HEAD", path);
    assert.deepEqual(
      [head.status, head.headers.get("content-length"), head.headers.get("docker-content-digest")],
      [200, "10", digest],
    );
    assert.equal((await call("GET", path, { headers: { "if-none-match": `"${digest}"` } })).status, 304);
  }));

test("mounting: from a repository that has it, from any, or not at all", () =>
  withRegistry(async (lab) => {
    const call = client(lab);
    const { digest } = await pushBlob(call, "from", Buffer.from("blob"));
    assert.equal((await call("POST", `/v2/to/blobs/uploads/?mount=${digest}&from=from`)).status, 201);
    assert.equal((await call("HEAD", `/v2/to/blobs/${digest}`)).status, 200);
    assert.equal((await call("POST", `/v2/any/blobs/uploads/?mount=${digest}`)).status, 201);
    const other = await call("POST", `/v2/not/blobs/uploads/?mount=${digest}&from=nowhere`);
    assert.equal(other.status, 202);
    assert.match(other.headers.get("location") ?? "", /^\/v2\/not\/blobs\/uploads\//);
    assert.equal((await call("HEAD", `/v2/not/blobs/${digest}`)).status, 404);
  }));

test("manifests: by tag and digest, checked, replaced, deleted", () =>
  withRegistry(async (lab) => {
    const call = client(lab);
    const { digest } = await pushManifest(call, "app", "1");
    const byTag = await call("GET", "/v2/app/manifests/1");
    assert.deepEqual([byTag.status, byTag.headers.get("content-type"), digestOf(byTag.body)], [200, MANIFEST, digest]);
    assert.deepEqual((await call("GET", `/v2/app/manifests/${digest}`)).body, byTag.body);
    assert.equal((await call("HEAD", "/v2/app/manifests/1")).headers.get("docker-content-digest"), digest);
    const put = (reference: string, document: unknown, type = MANIFEST): Promise<Answer> =>
      call("PUT", `/v2/app/manifests/${reference}`, {
        body: typeof document === "string" ? document : JSON.stringify(document),
        headers: { "content-type": type },
      });
    const missing = { mediaType: "x", digest: digestOf("missing"), size: 1 };
    const cases: [string, Promise<Answer>, number, string][] = [
      ["no JSON", put("2", "{"), 400, "MANIFEST_INVALID"],
      ["both", put("2", { schemaVersion: 2, config: missing, layers: [], manifests: [] }), 400, "MANIFEST_INVALID"],
      ["schema 1", put("2", { schemaVersion: 1, fsLayers: [] }), 400, "MANIFEST_INVALID"],
      ["type", put("2", {}, "text/plain"), 400, "MANIFEST_INVALID"],
      [
        "missing blob",
        put("2", { schemaVersion: 2, mediaType: MANIFEST, config: missing, layers: [] }),
        404,
        "MANIFEST_BLOB_UNKNOWN",
      ],
      [
        "missing manifest",
        put("2", { schemaVersion: 2, mediaType: INDEX, manifests: [missing] }, INDEX),
        404,
        "MANIFEST_BLOB_UNKNOWN",
      ],
      ["wrong digest", put(digestOf("else"), byTag.body.toString()), 400, "DIGEST_INVALID"],
      ["too large", put("2", `{"schemaVersion":2,"x":"${"y".repeat(5 << 20)}"}`), 400, "SIZE_INVALID"],
    ];
    for (const [name, answer, status, code] of cases)
      assert.deepEqual([(await answer).status, (await answer).code], [status, code], name);
    assert.equal((await call("GET", "/v2/app/manifests/2")).code, "MANIFEST_UNKNOWN");
    const second = await pushManifest(call, "app", "1", { annotations: { changed: "yes" } });
    assert.equal((await call("HEAD", "/v2/app/manifests/1")).headers.get("docker-content-digest"), second.digest);
    assert.equal((await call("HEAD", `/v2/app/manifests/${digest}`)).status, 200, "the old one is there by its digest");
    assert.equal((await call("DELETE", "/v2/app/manifests/1")).status, 202);
    assert.equal((await call("HEAD", "/v2/app/manifests/1")).status, 404);
    assert.equal((await call("HEAD", `/v2/app/manifests/${second.digest}`)).status, 200, "a tag goes alone");
    await pushManifest(call, "app", "3", { annotations: { changed: "yes" } });
    assert.equal((await call("DELETE", `/v2/app/manifests/${second.digest}`)).status, 202);
    assert.equal((await call("HEAD", "/v2/app/manifests/3")).status, 404, "a manifest takes its tags along");
    assert.equal((await call("DELETE", `/v2/app/manifests/${second.digest}`)).code, "MANIFEST_UNKNOWN");
    assert.equal((await call("DELETE", `/v2/app/blobs/${digestOf("{}")}`)).status, 202);
    assert.equal((await call("GET", `/v2/app/blobs/${digestOf("{}")}`)).status, 404);
  }));

test("tags and repositories come in pages", () =>
  withRegistry(async (lab) => {
    const call = client(lab);
    for (const tag of ["c", "a", "b", "d"]) await pushManifest(call, "app", tag);
    for (const name of ["z/y", "b"]) await pushManifest(call, name, "1");
    const list = async (path: string): Promise<[unknown, string | null]> => {
      const { body, headers } = await call("GET", path);
      return [JSON.parse(body.toString()), headers.get("link")];
    };
    assert.deepEqual(await list("/v2/app/tags/list"), [{ name: "app", tags: ["a", "b", "c", "d"] }, null]);
    assert.deepEqual(await list("/v2/app/tags/list?n=2"), [
      { name: "app", tags: ["a", "b"] },
      '</v2/app/tags/list?n=2&last=b>; rel="next"',
    ]);
    assert.deepEqual(await list("/v2/app/tags/list?n=2&last=b"), [{ name: "app", tags: ["c", "d"] }, null]);
    assert.deepEqual(await list("/v2/app/tags/list?n=0"), [{ name: "app", tags: [] }, null]);
    assert.deepEqual(await list("/v2/app/tags/list?last=zz"), [{ name: "app", tags: [] }, null]);
    assert.equal((await call("GET", "/v2/app/tags/list?n=-1")).code, "UNSUPPORTED");
    assert.deepEqual(await list("/v2/_catalog?n=2"), [
      { repositories: ["app", "b"] },
      '</v2/_catalog?n=2&last=b>; rel="next"',
    ]);
  }));

test("referrers: what is said about a manifest, even before it is there", () =>
  withRegistry(async (lab) => {
    const call = client(lab);
    const subject = { mediaType: MANIFEST, digest: digestOf("later"), size: 5 };
    const config = await pushBlob(call, "app", Buffer.from("{}"));
    const attach = async (artifactType: string): Promise<string> => {
      const body = JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST,
        artifactType,
        config,
        layers: [],
        subject,
        annotations: { kind: artifactType },
      });
      const { status, headers } = await call("PUT", `/v2/app/manifests/${digestOf(body)}`, {
        body,
        headers: { "content-type": MANIFEST },
      });
      assert.deepEqual([status, headers.get("oci-subject")], [201, subject.digest]);
      return digestOf(body);
    };
    const sbom = await attach("application/sbom");
    await attach("application/signature");
    const all = await call("GET", `/v2/app/referrers/${subject.digest}`);
    assert.equal(all.headers.get("content-type"), INDEX);
    const index = JSON.parse(all.body.toString()) as {
      schemaVersion: number;
      manifests: { digest: string; artifactType: string }[];
    };
    assert.deepEqual(index.manifests.map(({ artifactType }) => artifactType).sort(), [
      "application/sbom",
      "application/signature",
    ]);
    const some = await call("GET", `/v2/app/referrers/${subject.digest}?artifactType=application/sbom`);
    assert.equal(some.headers.get("oci-filters-applied"), "artifactType");
    const filtered = JSON.parse(some.body.toString()) as { manifests: { digest: string; annotations: object }[] };
    assert.deepEqual(
      filtered.manifests.map(({ digest, annotations }) => [digest, annotations]),
      [[sbom, { kind: "application/sbom" }]],
    );
    const none = await call("GET", `/v2/app/referrers/${digestOf("nothing")}`);
    assert.deepEqual(
      [none.status, JSON.parse(none.body.toString())],
      [200, { schemaVersion: 2, mediaType: INDEX, manifests: [] }],
    );
    await call("DELETE", `/v2/app/manifests/${sbom}`);
    assert.equal(
      (JSON.parse((await call("GET", `/v2/app/referrers/${subject.digest}`)).body.toString()) as typeof index).manifests
        .length,
      1,
    );
  }));

test("repositories outlive the process; blobs that came to nothing go after a day", () =>
  withFolder(async (folder) => {
    const clock = virtualClock();
    const run = async (use: (call: Client) => Promise<void>): Promise<void> => {
      const images = await openImages({ dataDir: folder });
      const registry = await createRegistry(images, { stateDir: join(folder, "registry"), clock });
      const { createServer } = await import("node:http");
      const server = createServer((request, response) => void registry.handle(request, response));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as { port: number };
      await use(client({ url: `http://127.0.0.1:${port}` } as RegistryLab));
      server.closeAllConnections();
      server.close();
      await registry.close();
      await images.close();
    };
    const stray = Buffer.from("stray");
    let manifest = "";
    await run(async (call) => {
      ({ digest: manifest } = await pushManifest(call, "app", "1"));
      await pushBlob(call, "app", stray);
      await call("POST", "/v2/app/blobs/uploads/");
    });
    assert.deepEqual(readdirSync(join(folder, "images/content/ingest")), []);
    await run(async (call) => {
      assert.equal((await call("HEAD", "/v2/app/manifests/1")).headers.get("docker-content-digest"), manifest);
      assert.equal((await call("HEAD", `/v2/app/blobs/${digestOf(stray)}`)).status, 200);
    });
    await clock.advance(25 * 60 * 60 * 1000);
    await run(async (call) => {
      assert.equal((await call("HEAD", `/v2/app/blobs/${digestOf(stray)}`)).status, 404);
      assert.equal((await call("HEAD", `/v2/app/blobs/${digestOf("{}")}`)).status, 200);
      await call("DELETE", `/v2/app/manifests/${manifest}`);
      await call("DELETE", `/v2/app/blobs/${digestOf("{}")}`);
    });
    assert.deepEqual(readdirSync(join(folder, "registry")), []);
    assert.deepEqual(readdirSync(join(folder, "images/content/blobs/sha256")), []);
  }));

test("whatever is asked, the answer is one of the protocol's and the server stands", () =>
  withRegistry(async (lab) => {
    const call = client(lab);
    await pushManifest(call, "app", "1");
    const part = fc.constantFrom(
      "app",
      "blobs",
      "uploads",
      "manifests",
      "tags",
      "list",
      "referrers",
      "_catalog",
      "1",
      "..",
      "%00",
      "%ff",
      "sha256:x",
      digestOf("{}"),
      "A",
      "",
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"),
        fc.array(part, { maxLength: 6 }),
        fc.constantFrom("", "?n=x", "?digest=x", "?mount=x&from=%00", "?last=%ff"),
        async (method, parts, query) => {
          const { status, body } = await call(
            method,
            `/v2/${parts.join("/")}${query}`,
            method === "GET" || method === "HEAD" ? {} : { body: "x" },
          );
          assert(status < 500, `${method} ${parts.join("/")}${query}: ${status} ${body.toString()}`);
        },
      ),
      { numRuns: 400 },
    );
  }));
