import { createHash } from "node:crypto";
import { pack, type Pack } from "tar-stream";
import type { ImageConfig, RunConfig } from "../../src/formats/image-config.ts";

/** One entry of a layer; `path` without a leading slash. */
export type LayerFile = {
  readonly path: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
} & (
  | { readonly kind: "file"; readonly data: Uint8Array | string }
  | { readonly kind: "directory" }
  | { readonly kind: "symlink" | "hardlink"; readonly target: string }
);

export interface TestImage {
  /** `name:tag`. */
  readonly reference: string;
  /** From bottom to top. */
  readonly layers: readonly (readonly LayerFile[])[];
  readonly config: RunConfig;
}

/** Everything is dated so: the archives are the same on every run with the same packages. */
const EPOCH = new Date("2026-01-01T00:00:00Z");

/** A `docker load` archive, laid out as `docker save` of Docker 25 and later: an OCI layout with a manifest.json. */
export async function imageArchive(image: TestImage): Promise<Buffer> {
  const layers = await Promise.all(image.layers.map(layerTar));
  const config = Buffer.from(JSON.stringify(imageConfig(image, layers)));
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: descriptor("application/vnd.oci.image.config.v1+json", config),
      layers: layers.map((layer) => descriptor("application/vnd.oci.image.layer.v1.tar", layer)),
    }),
  );
  const name = `docker.io/library/${image.reference}`;
  const tag = image.reference.slice(image.reference.indexOf(":") + 1);
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [
      {
        ...descriptor("application/vnd.oci.image.manifest.v1+json", manifest),
        annotations: { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag },
      },
    ],
  };
  const documents = [{ Config: blobPath(config), RepoTags: [image.reference], Layers: layers.map(blobPath) }];
  return tar([
    { path: "blobs", kind: "directory" },
    { path: "blobs/sha256", kind: "directory" },
    ...[...layers, config, manifest].map((blob): LayerFile => ({ path: blobPath(blob), kind: "file", data: blob })),
    { path: "index.json", kind: "file", data: JSON.stringify(index) },
    { path: "manifest.json", kind: "file", data: JSON.stringify(documents) },
    { path: "oci-layout", kind: "file", data: JSON.stringify({ imageLayoutVersion: "1.0.0" }) },
  ]);
}

/** A layer's tar, uncompressed. */
export function layerTar(files: readonly LayerFile[]): Promise<Buffer> {
  return tar(files);
}

function imageConfig(image: TestImage, layers: readonly Buffer[]): ImageConfig {
  const created = EPOCH.toISOString();
  const command = `CMD ${JSON.stringify(image.config.Cmd ?? [])}`;
  return {
    created,
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: image.config,
    rootfs: { type: "layers", diff_ids: layers.map(digest) },
    history: [
      ...layers.map((_, at) => ({
        created,
        created_by: `ADD layer ${at} of ${image.reference} # from Debian packages`,
      })),
      { created, created_by: command, empty_layer: true },
    ],
  };
}

async function tar(files: readonly LayerFile[]): Promise<Buffer> {
  const stream = pack();
  const chunks: Buffer[] = [];
  stream.on("data", (chunk) => void chunks.push(chunk as Buffer));
  const done = new Promise<void>((resolve, reject) => stream.once("end", resolve).once("error", reject));
  for (const file of files) addEntry(stream, file);
  stream.finalize();
  await done;
  return Buffer.concat(chunks);
}

function addEntry(stream: Pack, file: LayerFile): void {
  const common = { name: file.path, uid: file.uid ?? 0, gid: file.gid ?? 0, mtime: EPOCH };
  if (file.kind === "file") {
    stream.entry({ ...common, type: "file", mode: file.mode ?? 0o644 }, Buffer.from(file.data));
  } else if (file.kind === "directory") {
    stream.entry({ ...common, type: "directory", mode: file.mode ?? 0o755 });
  } else {
    const type = file.kind === "symlink" ? "symlink" : "link";
    stream.entry({ ...common, type, linkname: file.target, mode: file.mode ?? 0o777 });
  }
}

function digest(data: Uint8Array): string {
  return `sha256:${createHash("sha256").update(data).digest("hex")}`;
}

function blobPath(data: Uint8Array): string {
  return `blobs/${digest(data).replace(":", "/")}`;
}

function descriptor(mediaType: string, data: Uint8Array): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest: digest(data), size: data.byteLength };
}
