import type { Api } from "../api.ts";
import type { RequestContext } from "../context.ts";
import type { WatchOptions } from "../options.ts";
import { fromStored } from "../registry/write.ts";
import { apiVersionOf } from "../resources/definition.ts";
import type { ObjectRef, Service } from "../service.ts";
import { statusOf } from "../status.ts";
import type { Notice, Watching } from "../verbs/watch.ts";
import { chunkOf, chunkWriter, type Chunk, type ChunkWriter } from "./chunks.ts";
import { flush, writeHead } from "./exchange.ts";
import { jsonBytes, objectBytes } from "./present.ts";
import { baseHeaders, type Reply } from "./respond.ts";
import { tableOf, type IncludeObject } from "./tables.ts";

const BOOKMARK_MS = 60_000;
const MIN_TIMEOUT_SECONDS = 1800;
/** What a slow watcher may leave unread, besides what it got at first; beyond it the connection is closed. */
const MAX_BACKLOG_BYTES = 16 * 2 ** 20;

/** Streams a watch until its time is up, the client leaves, or it does not keep up. */
export async function streamWatch(
  api: Api,
  service: Service,
  reply: Reply,
  context: RequestContext,
  ref: ObjectRef,
  options: WatchOptions,
  include: IncludeObject,
): Promise<void> {
  const { response } = reply;
  const encode = frameEncoder(api, reply, ref, include);
  let allowance = MAX_BACKLOG_BYTES;
  let writer: ChunkWriter | undefined;
  const start = (): ChunkWriter => {
    if (writer) return writer;
    writeHead(response, 200, { ...baseHeaders(reply.warnings), "content-type": "application/json" });
    flush(response);
    return (writer = chunkWriter(response));
  };
  const send = (notices: readonly Notice[]): void => {
    if (response.destroyed) return;
    const chunk = encode(notices);
    // The first batch is the state so far, however large.
    if (!watching) allowance += chunk.bytes.byteLength;
    const unread = start().write(chunk);
    if (unread > allowance) response.destroy();
  };
  const finish = (): void => (writer ? writer.end() : void response.end());
  let watching: Watching | undefined;
  try {
    watching = await service.watch(context, ref, options, send, () => finish());
  } catch (error) {
    const status = statusOf(error);
    if (status.code !== 410) throw error;
    const text = Buffer.from(`${JSON.stringify({ type: "ERROR", object: status })}\n`);
    start().end(text);
    return;
  }
  if (!response.destroyed) start();
  await untilOver(api, reply, options, watching, send, finish);
}

/** Ends the stream at its deadline; tells of the revision reached every minute, and before the end. */
function untilOver(
  api: Api,
  { response }: Reply,
  options: WatchOptions,
  watching: Watching,
  send: (notices: readonly Notice[]) => void,
  finish: () => void,
): Promise<void> {
  const seconds = options.timeoutSeconds || MIN_TIMEOUT_SECONDS * (1 + api.random.next());
  return new Promise((resolve) => {
    let cancelBookmark: (() => void) | undefined;
    const bookmark = (after: () => void): void => {
      const { revision } = api.store;
      // Changes up to here that are still on their way to watchers arrive before the next turn.
      setImmediate(() => {
        if (!response.destroyed) send([{ type: "BOOKMARK", revision, initialEventsEnd: false }]);
        after();
      });
    };
    const arm = (): void => {
      cancelBookmark = api.clock.after(BOOKMARK_MS, () => bookmark(arm));
    };
    if (options.allowWatchBookmarks) arm();
    const cancelEnd = api.clock.after(seconds * 1000, () =>
      options.allowWatchBookmarks ? bookmark(finish) : finish(),
    );
    response.on("close", () => {
      cancelEnd();
      cancelBookmark?.();
      watching.close();
      resolve();
    });
    if (response.destroyed) response.emit("close");
  });
}

type Encode = (notices: readonly Notice[]) => Chunk;

/** Watchers of the same plain form share the encoding of a batch. */
const encoded = new WeakMap<readonly Notice[], Chunk>();

function frameEncoder(api: Api, { form }: Reply, ref: ObjectRef, include: IncludeObject): Encode {
  const { definition } = ref;
  let first = true;
  const objectOf = (notice: Notice): Uint8Array => {
    if (notice.type === "BOOKMARK") return jsonBytes(bookmarkObject(ref, notice, form.as));
    if (form.as !== "Table") return objectBytes(definition, notice.document, form.as);
    const { object } = notice.document;
    const metadata = { resourceVersion: object.metadata.resourceVersion };
    const table = tableOf(definition, [fromStored(definition, object)], metadata, include, api.clock.now(), !first);
    first = false;
    return jsonBytes(table);
  };
  const encode: Encode = (notices) =>
    chunkOf(notices.flatMap((notice) => [FRAME_START[notice.type], objectOf(notice), FRAME_END]));
  if (form.as !== "object" || definition.stored) return encode;
  return (notices) => {
    const known = encoded.get(notices);
    if (known) return known;
    const chunk = encode(notices);
    encoded.set(notices, chunk);
    return chunk;
  };
}

const frameStart = (type: Notice["type"]): Buffer => Buffer.from(`{"type":"${type}","object":`);
const FRAME_START: Readonly<Record<Notice["type"], Buffer>> = {
  ADDED: frameStart("ADDED"),
  MODIFIED: frameStart("MODIFIED"),
  DELETED: frameStart("DELETED"),
  BOOKMARK: frameStart("BOOKMARK"),
};
const FRAME_END = Buffer.from("}\n");

function bookmarkObject({ definition }: ObjectRef, notice: Notice & { type: "BOOKMARK" }, as: string): object {
  const annotations = notice.initialEventsEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {};
  const metadata = { resourceVersion: String(notice.revision), ...annotations };
  if (as === "Table") {
    const partial = { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata };
    return {
      kind: "Table",
      apiVersion: "meta.k8s.io/v1",
      metadata,
      columnDefinitions: null,
      rows: [{ cells: [], object: partial }],
    };
  }
  if (as === "PartialObjectMetadata") return { kind: as, apiVersion: "meta.k8s.io/v1", metadata };
  return { kind: definition.kind, apiVersion: apiVersionOf(definition), metadata };
}
