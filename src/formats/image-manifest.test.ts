import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf } from "./digest.ts";
import { DOCUMENT_LIMITS, parseImageDocument } from "./image-manifest.ts";
import { DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } from "./image-media-types.ts";

const config = { mediaType: OCI_CONFIG, digest: digestOf("config"), size: 6 };
const layer = { mediaType: OCI_LAYER_GZIP, digest: digestOf("layer"), size: 5 };
const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] };

function bytes(document: unknown): Buffer {
  return Buffer.from(JSON.stringify(document));
}

test("a manifest and an index are told apart", () => {
  const first = parseImageDocument(bytes(manifest), OCI_MANIFEST);
  assert.deepEqual(first, { kind: "manifest", mediaType: OCI_MANIFEST, manifest });
  const index = {
    schemaVersion: 2,
    manifests: [{ ...layer, mediaType: OCI_MANIFEST, platform: { os: "linux", architecture: "amd64" } }],
  };
  assert.deepEqual(parseImageDocument(bytes(index), OCI_INDEX), { kind: "index", mediaType: OCI_INDEX, index });
  assert.equal(parseImageDocument(bytes({ schemaVersion: 2, manifests: [] })).kind, "index");
});

test("what is no image document is refused, naming the field", () => {
  const cases: [unknown, RegExp, string?][] = [
    [[], /is not an object/],
    [{ schemaVersion: 1, fsLayers: [] }, /schemaVersion 1: only 2 is supported/],
    [{ schemaVersion: 2 }, /neither layers nor manifests/],
    [{ ...manifest, manifests: [] }, /ambiguous/],
    [{ schemaVersion: 2, manifests: [], config }, /ambiguous/],
    [{ ...manifest, mediaType: OCI_INDEX }, /is not that of a manifest/],
    [manifest, /is not that of a manifest/, OCI_INDEX],
    [manifest, /as it was announced/, DOCKER_MANIFEST],
    [{ ...manifest, config: null }, /manifest config is not an object/],
    [
      { ...manifest, layers: [{ ...layer, digest: "sha256:../../../etc/passwd" }] },
      /manifest layers\[0\] digest .* invalid checksum/,
    ],
    [{ ...manifest, layers: [{ ...layer, digest: undefined }] }, /layers\[0\] digest is not a string/],
    [{ ...manifest, layers: [{ ...layer, size: -1 }] }, /layers\[0\] size is not a whole number/],
    [{ ...manifest, layers: [{ ...layer, size: 2 ** 53 }] }, /layers\[0\] size is not a whole number/],
    [{ ...manifest, layers: Array(DOCUMENT_LIMITS.layers + 1).fill(layer) }, /at most 1024/],
    [{ schemaVersion: 2, manifests: Array(DOCUMENT_LIMITS.manifests + 1).fill(layer) }, /at most 1024/],
    [{ ...manifest, annotations: { a: 1 } }, /annotations\["a"\] is not a string/],
  ];
  for (const [document, message, contentType] of cases) {
    assert.throws(() => parseImageDocument(bytes(document), contentType), { code: "invalid", message });
  }
  assert.throws(() => parseImageDocument(Buffer.from("{")), { code: "invalid", message: /is not JSON/ });
  const big = Buffer.alloc(DOCUMENT_LIMITS.bytes + 1, " ");
  assert.throws(() => parseImageDocument(big), { code: "invalid", message: /at most 4194304 are read/ });
});

test("annotations cannot reach an object's prototype", () => {
  const text = JSON.stringify({ ...manifest, annotations: {} }).replace(
    '"annotations":{}',
    '"annotations":{"__proto__":"x","constructor":"y"}',
  );
  const document = parseImageDocument(Buffer.from(text));
  assert(document.kind === "manifest");
  assert.deepEqual(Object.entries(document.manifest.annotations ?? {}), [
    ["__proto__", "x"],
    ["constructor", "y"],
  ]);
});
