// Stored objects as bytes that every reader shares. The text starts
//   {"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"123"             ,...
// with room for the revision, which the store gives only after the text is made: it is written into that room once.
import type { KubeObject } from "#formats/kube-object.ts";
import type { KeyValue } from "#store/store.ts";

/** One object at one revision. `bytes` and `object` are shared: never change them. */
export interface Document {
  readonly key: string;
  readonly revision: number;
  readonly bytes: Uint8Array;
  readonly object: KubeObject;
  readonly labels: Readonly<Record<string, string>>;
  /** Computes once per document, by name: a selectable field's text, a table row. */
  cached<T>(name: string, make: (object: KubeObject) => T): T;
}

const ROOM = 18;
const MARK = '"resourceVersion":';
const HOLE = "=".repeat(ROOM - 2);
const BLANK = 0x3d;

interface Shared {
  document: Document | undefined;
  /** Weak: what no one uses is parsed again when needed, so that memory holds the bytes only. */
  object: WeakRef<KubeObject> | undefined;
}

const shared = new WeakMap<Uint8Array, Shared>();

/** The bytes to store for an object. The object becomes shared: it must not be changed afterwards. */
export function encodeDocument(object: KubeObject): Uint8Array {
  const { kind, apiVersion, metadata, ...rest } = object;
  const { resourceVersion: _, ...meta } = metadata;
  const text = JSON.stringify({ kind, apiVersion, metadata: { resourceVersion: HOLE, ...meta }, ...rest });
  const bytes = Buffer.from(text);
  shared.set(bytes, { document: undefined, object: new WeakRef(object) });
  return bytes;
}

/** A stored entry as a document. The same one for the same entry. */
export function documentOf(entry: KeyValue): Document {
  const known = shared.get(entry.value) ?? { document: undefined, object: undefined };
  if (known.document) return known.document;
  stamp(entry.value, entry.modRevision);
  const document = makeDocument(entry.key, entry.value, entry.modRevision, known);
  known.document = document;
  shared.set(entry.value, known);
  return document;
}

/** What a deleted entry held, at the revision of its deletion (as watchers are told). */
export function deletedDocument(entry: KeyValue, revision: number): Document {
  const bytes = Buffer.from(entry.value);
  writeRevision(bytes, revision);
  const object = documentOf(entry).object;
  const deleted = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
  return makeDocument(entry.key, bytes, revision, { document: undefined, object: new WeakRef(deleted) });
}

/** A document that is not in the store: the answer to a dry run, or a converted form. */
export function looseDocument(key: string, object: KubeObject, revision: number): Document {
  const bytes = encodeDocument(object);
  if (revision > 0) return documentOf({ key, value: bytes, createRevision: revision, modRevision: revision });
  return makeDocument(key, Buffer.from(JSON.stringify(object)), 0, {
    document: undefined,
    object: new WeakRef(object),
  });
}

/** True when two encodings differ in nothing but the revision. */
export function sameContent(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  const at = roomAt(a);
  const left = Buffer.from(a.buffer, a.byteOffset, a.byteLength);
  const right = Buffer.from(b.buffer, b.byteOffset, b.byteLength);
  return left.compare(right, 0, at, 0, at) === 0 && left.compare(right, at + ROOM, undefined, at + ROOM) === 0;
}

function makeDocument(key: string, bytes: Uint8Array, revision: number, state: Shared): Document {
  let labels: Readonly<Record<string, string>> | undefined;
  let cache: Map<string, unknown> | undefined;
  const object = (): KubeObject => {
    const held = state.object?.deref();
    if (held) {
      if (revision > 0) held.metadata.resourceVersion = String(revision);
      return held;
    }
    const parsed = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as KubeObject;
    state.object = new WeakRef(parsed);
    return parsed;
  };
  return {
    key,
    revision,
    bytes,
    get object() {
      return object();
    },
    get labels() {
      labels ??= object().metadata.labels ?? NO_LABELS;
      return labels;
    },
    cached(name, make) {
      cache ??= new Map();
      if (!cache.has(name)) cache.set(name, make(object()));
      return cache.get(name) as ReturnType<typeof make>;
    },
  };
}

const NO_LABELS: Readonly<Record<string, string>> = {};

function roomAt(bytes: Uint8Array): number {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 1024));
  return text.indexOf(MARK) + MARK.length;
}

function stamp(bytes: Uint8Array, revision: number): void {
  const at = roomAt(bytes);
  if (bytes[at + 1] === BLANK) writeRevision(bytes, revision, at);
}

function writeRevision(bytes: Uint8Array, revision: number, at = roomAt(bytes)): void {
  const text = `"${revision}"`.padEnd(ROOM);
  for (let index = 0; index < ROOM; index++) bytes[at + index] = text.charCodeAt(index);
}
