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

/** An object's bytes to store, with the object that they were made of. */
export interface Encoded {
  readonly bytes: Uint8Array;
  readonly object: KubeObject;
}

/** The bytes to store for an object. The object becomes shared: it must not be changed afterwards. */
export function encodeDocument(object: KubeObject): Encoded {
  const { kind, apiVersion, metadata, ...rest } = object;
  const { resourceVersion: _, ...meta } = metadata;
  const text = JSON.stringify({ kind, apiVersion, metadata: { resourceVersion: HOLE, ...meta }, ...rest });
  return { bytes: Buffer.from(text), object };
}

/** A stored entry as a document. The same one for the same entry. */
export function documentOf(entry: KeyValue): Document {
  const { decoded } = entry;
  if (decoded instanceof SharedDocument) return decoded;
  stamp(entry.value, entry.modRevision);
  const document = new SharedDocument(entry.key, entry.modRevision, entry.value, decoded as KubeObject | undefined);
  entry.decoded = document;
  return document;
}

/** What a deleted entry held, at the revision of its deletion (as watchers are told). */
export function deletedDocument(entry: KeyValue, revision: number): Document {
  const bytes = Buffer.allocUnsafe(entry.value.byteLength);
  bytes.set(entry.value);
  writeRevision(bytes, revision);
  const object = documentOf(entry).object;
  const deleted = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
  return new SharedDocument(entry.key, revision, bytes, deleted);
}

/** A document that is not in the store: the answer to a dry run, or a converted form. */
export function looseDocument(key: string, object: KubeObject, revision: number): Document {
  if (revision > 0) {
    const { bytes } = encodeDocument(object);
    return documentOf({ key, value: bytes, createRevision: revision, modRevision: revision, decoded: object });
  }
  return new SharedDocument(key, 0, Buffer.from(JSON.stringify(object)), object);
}

/** True when two encodings differ in nothing but the revision. */
export function sameContent(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  const at = roomAt(a);
  const left = Buffer.from(a.buffer, a.byteOffset, a.byteLength);
  const right = Buffer.from(b.buffer, b.byteOffset, b.byteLength);
  return left.compare(right, 0, at, 0, at) === 0 && left.compare(right, at + ROOM, undefined, at + ROOM) === 0;
}

/** A class, because there is one for every object of the cluster: functions of its own each would be most of its size. */
class SharedDocument implements Document {
  readonly key: string;
  readonly revision: number;
  readonly bytes: Uint8Array;
  /** Weak: what no one uses is parsed again when needed, so that memory holds the bytes only. */
  private held: WeakRef<KubeObject> | undefined;
  /** Kept: lists by label look at every object's. */
  private heldLabels: Readonly<Record<string, string>> | undefined;
  private cache: Map<string, unknown> | undefined;

  constructor(key: string, revision: number, bytes: Uint8Array, object: KubeObject | undefined) {
    this.key = key;
    this.revision = revision;
    this.bytes = bytes;
    if (object && revision > 0) object.metadata.resourceVersion = String(revision);
    this.held = object ? new WeakRef(object) : undefined;
    this.heldLabels = object && (object.metadata.labels ?? NO_LABELS);
    this.cache = undefined;
  }

  get object(): KubeObject {
    const known = this.held?.deref();
    if (known) return known;
    const { buffer, byteOffset, byteLength } = this.bytes;
    const parsed = JSON.parse(Buffer.from(buffer, byteOffset, byteLength).toString()) as KubeObject;
    this.held = new WeakRef(parsed);
    this.heldLabels ??= parsed.metadata.labels ?? NO_LABELS;
    return parsed;
  }

  get labels(): Readonly<Record<string, string>> {
    return this.heldLabels ?? this.object.metadata.labels ?? NO_LABELS;
  }

  cached<T>(name: string, make: (object: KubeObject) => T): T {
    this.cache ??= new Map();
    if (!this.cache.has(name)) this.cache.set(name, make(this.object));
    return this.cache.get(name) as T;
  }
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
