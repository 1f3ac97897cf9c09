import { GantryError } from "#base/errors.ts";
import type { Digest } from "#formats/digest.ts";
import type { Descriptor } from "#formats/image-config.ts";
import { parseReference, type ImageReference } from "#formats/reference.ts";
import type { Report } from "../image-store.ts";
import type { RemoteRepository } from "../registry-client/repository.ts";
import { pause } from "../registry-client/retry.ts";
import type { Context } from "./context.ts";
import { retryOptions, transferError } from "./download.ts";
import { layerProgress, statusLine } from "./progress.ts";

export interface Upload {
  readonly context: Context;
  readonly repository: RemoteRepository;
  readonly reference: ImageReference;
  readonly report: Report | undefined;
  readonly signal: AbortSignal | undefined;
  /** What is known to be there; blobs that are sent are added. */
  readonly sent: Set<Digest>;
  /** The layer that progress is told of; undefined: nothing is told. */
  readonly id: string | undefined;
}

/** Other repositories of the registry that a blob is looked for in before it is sent (moby: 4 for large layers). */
const MOUNT_CANDIDATES = 4;

/** Sees to it that a blob is in the repository: it is there, it is mounted from another repository, or it is sent. */
export async function pushBlob(upload: Upload, blob: Descriptor): Promise<void> {
  const { context, repository, report, signal, sent, id } = upload;
  const tellStatus = (text: string): void => {
    if (id !== undefined) report?.(statusLine(id, text));
  };
  for (let attempt = 1; ; attempt++) {
    try {
      if (sent.has(blob.digest) || (await repository.hasBlob(blob.digest))) {
        tellStatus("Layer already exists");
      } else {
        tellStatus(await mountOrSend(upload, blob));
      }
      sent.add(blob.digest);
      return;
    } catch (error) {
      await pause(
        transferError(error, signal),
        attempt,
        retryOptions({ context, report: id === undefined ? undefined : report, signal }, id ?? ""),
      );
    }
  }
}

async function mountOrSend(upload: Upload, blob: Descriptor): Promise<string> {
  const { repository } = upload;
  let place: URL | undefined;
  for (const from of mountCandidates(upload, blob.digest)) {
    const answer = await repository.startUpload({ digest: blob.digest, from });
    if (answer === "mounted") return `Mounted from ${from}`;
    place = answer;
  }
  if (place === undefined) {
    const answer = await repository.startUpload();
    if (answer === "mounted")
      throw new GantryError("unavailable", "registry mounted a blob that it was not asked to mount");
    place = answer;
  }
  await sendBlob(upload, blob, place);
  return "Pushed";
}

/** Repositories of this registry that an image of ours with this blob came from or went to. */
function mountCandidates({ context, reference }: Upload, digest: Digest): readonly string[] {
  const found = new Set<string>();
  for (const [name, owner] of context.records.now.references) {
    const other = parseReference(name);
    if (other.digest === undefined || other.domain !== reference.domain || other.path === reference.path) continue;
    const record = context.records.now.images.get(owner);
    const has = record?.sources.some(
      ({ manifest, layers }) => manifest.digest === other.digest && layers.some((layer) => layer.digest === digest),
    );
    if (has) found.add(other.path);
    if (found.size >= MOUNT_CANDIDATES) break;
  }
  return [...found];
}

/** Sends a blob; a connection that breaks is taken up again where the registry says it stands. */
async function sendBlob(upload: Upload, blob: Descriptor, start: URL): Promise<void> {
  const { context, repository, report, signal, id } = upload;
  const report_ = id === undefined ? undefined : report;
  const progress = layerProgress(report_, { id: id ?? "", status: "Pushing", total: blob.size }, () =>
    context.clock.now(),
  );
  let place = start;
  let offset = 0;
  for (let attempt = 1; offset < blob.size; attempt++) {
    try {
      place = await repository.uploadChunk(place, {
        offset,
        length: blob.size - offset,
        stream: () => watched(context, blob.digest, offset, (bytes) => progress.at(bytes)),
      });
      offset = blob.size;
    } catch (error) {
      await pause(transferError(error, signal), attempt, retryOptions({ context, report: report_, signal }, id ?? ""));
      ({ offset, place } = await repository.uploadState(place));
    }
  }
  progress.done();
  await repository.finishUpload(place, blob.digest);
}

function watched(
  { content }: Context,
  digest: Digest,
  offset: number,
  onBytes: (bytes: number) => void,
): ReturnType<typeof content.read> {
  const stream = content.read(digest, { start: offset });
  let bytes = offset;
  stream.on("data", (chunk: Buffer) => onBytes((bytes += chunk.length)));
  stream.pause();
  return stream;
}
