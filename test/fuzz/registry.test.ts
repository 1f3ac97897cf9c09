// What strangers send to a registry, and what a registry sends to us: whatever it is, the answer is a refusal, and the next one is served.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { isGantryError } from "#base/errors.ts";
import { parseImageConfig } from "#formats/image-config-reader.ts";
import { parseImageDocument } from "#formats/image-manifest.ts";
import { withRegistry } from "../support/registry-lab.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";
const TYPE = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } });
const digest = (text: string): string => `sha256:${createHash("sha256").update(text).digest("hex")}`;
const VALID = {
  schemaVersion: 2,
  mediaType: TYPE,
  config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: digest(CONFIG), size: CONFIG.length },
  layers: [] as object[],
};

/** A request; once more when a connection that was kept had been closed meanwhile. */
async function send(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch {
    return await fetch(url, init);
  }
}

/** A value somewhere in a document is another one. */
function mutated(document: object): fc.Arbitrary<string> {
  const odd = fc.oneof(
    fc.constantFrom<unknown>(null, -1, 1e308, "", "sha256:", "sha256:zz", "../../etc", [], {}, true, "\u0000", [[[]]]),
    fc.constantFrom(`sha256:${"0".repeat(64)}`, `sha512:${"f".repeat(128)}`, "md5:d41d8cd98f00b204e9800998ecf8427e"),
    fc.jsonValue({ maxDepth: 3 }),
  );
  const keys = fc.constantFrom(
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "artifactType",
    "urls",
    "rootfs",
    "history",
    "__proto__",
  );
  return fc
    .tuple(fc.array(fc.tuple(keys, odd), { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([changes, inside]) => {
      const copy = JSON.parse(JSON.stringify(document)) as Record<string, unknown>;
      for (const [key, drawn] of changes) {
        // The constants among them are the same each time: one could come to lie in itself.
        const value = structuredClone(drawn);
        const config = copy["config"];
        if (inside && typeof config === "object" && config !== null) Object.assign(config, { [key]: value });
        else copy[key] = value;
      }
      return JSON.stringify(copy);
    });
}

test("documents: read, or refused as invalid", () => {
  const reads = (read: (bytes: Buffer) => unknown) => (text: string) => {
    try {
      read(Buffer.from(text));
    } catch (error) {
      assert(isGantryError(error), `${text}: ${String(error)}`);
      assert(["invalid", "unsupported", "too-large"].includes(error.code), `${text}: ${error.code}`);
    }
  };
  fc.assert(
    fc.property(
      mutated(VALID),
      reads((bytes) => parseImageDocument(bytes, TYPE)),
    ),
    { numRuns: 2000 },
  );
  fc.assert(fc.property(mutated(JSON.parse(CONFIG) as object), reads(parseImageConfig)), { numRuns: 2000 });
  fc.assert(
    fc.property(
      fc.string(),
      reads((bytes) => parseImageDocument(bytes, TYPE)),
    ),
    { numRuns: 500 },
  );
});

test("requests: never a failure of the server's own", { skip }, () =>
  withRegistry(async ({ url }) => {
    const uploaded = await fetch(`${url}/v2/a/blobs/uploads/?digest=${digest(CONFIG)}`, {
      method: "POST",
      body: CONFIG,
    });
    assert.equal(uploaded.status, 201);
    const put = (body: string, tag = "t"): Promise<Response> =>
      send(`${url}/v2/a/manifests/${tag}`, { method: "PUT", body, headers: { "content-type": TYPE } });
    await fc.assert(
      fc.asyncProperty(mutated(VALID), async (body) => {
        const { status } = await put(body);
        assert(status === 201 || (status >= 400 && status < 500), `${status} for ${body}`);
      }),
      { numRuns: 150 },
    );
    const methods = fc.constantFrom("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD");
    const part = fc.oneof(
      fc.constantFrom(
        "a",
        "..",
        "%2e%2e",
        "blobs",
        "uploads",
        "manifests",
        "tags",
        "list",
        "_catalog",
        "referrers",
        digest(CONFIG),
        "%00",
        "A",
      ),
      fc.webSegment(),
    );
    await fc.assert(
      fc.asyncProperty(
        methods,
        fc.array(part, { maxLength: 6 }),
        fc.webQueryParameters(),
        async (method, parts, query) => {
          const { status } = await send(`${url}/v2/${parts.join("/")}?${query}`, { method, redirect: "manual" });
          assert(status < 500, `${status} for ${method} ${parts.join("/")}`);
        },
      ),
      { numRuns: 300 },
    );
    assert.equal((await put(JSON.stringify(VALID), "good")).status, 201);
    assert.equal((await fetch(`${url}/v2/a/manifests/good`)).status, 200);
  }),
);

test("a registry that answers anything: the pull fails, and nothing is left of it", { skip }, () =>
  withRegistry(async (lab) => {
    let body = "";
    lab.intercept((request, response, next) => {
      if (!request.url?.includes("/manifests/")) return next();
      response.writeHead(200, { "content-type": TYPE }).end(body);
    });
    await fc.assert(
      fc.asyncProperty(mutated(VALID), async (text) => {
        body = text;
        try {
          await lab.images.pull(`${lab.host}/odd/image:1`, {});
        } catch (error) {
          assert(isGantryError(error), `${text}: ${String(error)}`);
          assert.notEqual(error.code, "internal", text);
        }
      }),
      { numRuns: 60 },
    );
    assert.equal(lab.images.content.totalBytes, 0);
    assert.deepEqual(lab.images.list(), []);
  }),
);
