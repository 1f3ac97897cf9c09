// Kubernetes' protobuf encoding, read: what typed clients (kubectl create, controllers in Go) send as bodies.
// The answer to them is JSON, which they accept too.
import { GantryError } from "#base/errors.ts";
import { groupVersion, splitGroupVersion, type GroupVersionKind } from "./kube-schema.ts";
import { protoFields, readVarint, type ProtoField } from "./kube-proto/wire.ts";
import { PROTO_JSON } from "./kube-proto/table.generated.ts";
import { timeText } from "./kube-proto/values.ts";
import { setOwn } from "./tree.ts";

type RawField = readonly [number: number, name: string, type: string];
interface Table {
  readonly kinds: Readonly<Record<string, number>>;
  readonly messages: readonly (readonly RawField[])[];
}
type Message = ReadonlyMap<number, { readonly name: string; readonly type: string }>;
type Tree = Record<string, unknown>;

const MAGIC = Buffer.from("k8s\0");
const MAX_DEPTH = 100;

let table: Table | undefined;
const messages = new Map<number, Message>();

/** A body's kind, and its document as JSON would have it. */
export interface ProtoDocument {
  readonly apiVersion: string;
  readonly kind: string;
  readonly value: Record<string, unknown>;
}

/**
 * Reads a body of type application/vnd.kubernetes.protobuf: the envelope (runtime.Unknown) and the message in it.
 * `fallback` is the kind of a message whose envelope names none. Throws `invalid` (400).
 */
export function readProto(bytes: Uint8Array, fallback: GroupVersionKind): ProtoDocument {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!body.subarray(0, 4).equals(MAGIC))
    throw malformed("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  const envelope = readEnvelope(body.subarray(4));
  const apiVersion = envelope.apiVersion === "" ? groupVersion(fallback.group, fallback.version) : envelope.apiVersion;
  const kind = envelope.kind === "" ? fallback.kind : envelope.kind;
  const index = kindIndex({ ...splitGroupVersion(apiVersion), kind });
  if (index === undefined)
    throw malformed(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
  try {
    return { apiVersion, kind, value: { kind, apiVersion, ...readMessage(index, envelope.raw, 0) } };
  } catch (error) {
    if (error instanceof RangeError) throw malformed(error.message);
    throw error;
  }
}

function readEnvelope(bytes: Buffer): { apiVersion: string; kind: string; raw: Buffer } {
  let apiVersion = "";
  let kind = "";
  let raw: Buffer = Buffer.alloc(0);
  for (const field of fieldsOf(bytes)) {
    if (field.number === 2) raw = bytesOf(field);
    if (field.number !== 1) continue;
    for (const part of fieldsOf(bytesOf(field))) {
      if (part.number === 1) apiVersion = bytesOf(part).toString();
      if (part.number === 2) kind = bytesOf(part).toString();
    }
  }
  return { apiVersion, kind, raw };
}

function kindIndex({ group, version, kind }: GroupVersionKind): number | undefined {
  table ??= JSON.parse(PROTO_JSON) as Table;
  const { kinds } = table;
  const key = [`${groupVersion(group, version)}/${kind}`, `meta.k8s.io/v1/${kind}`].find((one) =>
    Object.hasOwn(kinds, one),
  );
  return key === undefined ? undefined : kinds[key];
}

function message(index: number): Message {
  const known = messages.get(index);
  if (known) return known;
  table ??= JSON.parse(PROTO_JSON) as Table;
  const made = new Map((table.messages[index] ?? []).map(([number, name, type]) => [number, { name, type }]));
  messages.set(index, made);
  return made;
}

function readMessage(index: number, bytes: Buffer, depth: number): Tree {
  if (depth > MAX_DEPTH) throw malformed("message is nested too deeply");
  const known = message(index);
  const out: Tree = {};
  for (const field of fieldsOf(bytes)) {
    const info = known.get(field.number);
    // Newer clients send fields that this version does not know: they are dropped, as protobuf does.
    if (!info) continue;
    if (info.name === "") Object.assign(out, readMessage(Number(info.type.slice(1)), bytesOf(field), depth + 1));
    else readField(out, info.name, info.type, field, depth);
  }
  return out;
}

function readField(out: Tree, name: string, type: string, field: ProtoField, depth: number): void {
  const rest = type.slice(1);
  if (type.startsWith("[")) {
    const list = Array.isArray(out[name]) ? (out[name] as unknown[]) : [];
    list.push(...readItems(rest, field, depth));
    out[name] = list;
  } else if (type.startsWith("{")) {
    const map = (out[name] ?? {}) as Tree;
    const [key, value] = readEntry(rest, bytesOf(field), depth);
    setOwn(map, key, value);
    out[name] = map;
  } else {
    out[name] = readValue(type, field, depth);
  }
}

/** One item; packed scalars are several. */
function readItems(type: string, field: ProtoField, depth: number): unknown[] {
  if ((type !== "i" && type !== "b") || field.bytes === undefined) return [readValue(type, field, depth)];
  const items: unknown[] = [];
  for (let at = 0; at < field.bytes.length;) {
    const { value, next } = readVarint(field.bytes, at);
    items.push(type === "b" ? value !== 0n : asNumber(value));
    at = next;
  }
  return items;
}

function readEntry(type: string, bytes: Buffer, depth: number): [string, unknown] {
  let key = "";
  let value: unknown = emptyValue(type);
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) key = bytesOf(field).toString();
    if (field.number === 2) value = readValue(type, field, depth);
  }
  return [key, value];
}

function emptyValue(type: string): unknown {
  if (type === "s" || type === "y") return "";
  if (type === "i" || type === "d") return 0;
  return type === "b" ? false : {};
}

/** `s` string, `b` bool, `i` integer, `d` double, `y` bytes, `#n` message; the rest stand for one JSON value each. */
function readValue(type: string, field: ProtoField, depth: number): unknown {
  switch (type.charAt(0)) {
    case "s":
      return bytesOf(field).toString();
    case "y":
      return bytesOf(field).toString("base64");
    case "b":
      return (field.varint ?? 0n) !== 0n;
    case "i":
      return asNumber(field.varint ?? 0n);
    case "d":
      return field.fixed?.readDoubleLE() ?? 0;
    case "#":
      return readMessage(Number(type.slice(1)), bytesOf(field), depth + 1);
    default:
      return readSpecial(type, bytesOf(field), depth);
  }
}

function readSpecial(type: string, bytes: Buffer, depth: number): unknown {
  const parts = new Map(fieldsOf(bytes).map((field) => [field.number, field]));
  const text = (number: number): string => parts.get(number)?.bytes?.toString() ?? "";
  const integer = (number: number): number => asNumber(parts.get(number)?.varint ?? 0n);
  switch (type.charAt(0)) {
    case "t":
      return parts.size === 0 ? null : timeText(integer(1), 0, false);
    case "u":
      return parts.size === 0 ? null : timeText(integer(1), integer(2), true);
    case "D":
      return `${integer(1)}ns`;
    case "q":
      return text(1);
    case "o":
      return integer(1) === 1 ? text(3) : integer(2);
    case "e":
      return fieldsOf(bytes).map((field) => bytesOf(field).toString());
    case "x":
      return parts.has(1) ? parseRaw(text(1)) : null;
    default:
      return readUnion(type, bytes, depth);
  }
}

/** JSON schema's unions of a schema with a list, a boolean, or names. */
function readUnion(type: string, bytes: Buffer, depth: number): unknown {
  const schema = Number(type.slice(1));
  const fields = fieldsOf(bytes);
  const one = (field: ProtoField): Tree => readMessage(schema, bytesOf(field), depth + 1);
  const many = fields.filter((field) => field.number === 2);
  switch (type.charAt(0)) {
    case "A": {
      const single = fields.find((field) => field.number === 1);
      return single ? one(single) : many.map(one);
    }
    case "B":
      return many[0] ? one(many[0]) : (fields.find((field) => field.number === 1)?.varint ?? 0n) !== 0n;
    default: {
      const single = fields.find((field) => field.number === 1);
      return single ? one(single) : many.map((field) => bytesOf(field).toString());
    }
  }
}

function parseRaw(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw malformed(`embedded document is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function bytesOf(field: ProtoField): Buffer {
  if (!field.bytes) throw malformed(`wrong wire type for field ${field.number}`);
  return field.bytes;
}

function fieldsOf(bytes: Buffer): ProtoField[] {
  try {
    return protoFields(bytes);
  } catch (error) {
    throw malformed(error instanceof Error ? error.message : String(error));
  }
}

/** Integers beyond what a JSON number holds exactly do not occur in the API. */
function asNumber(value: bigint): number {
  return Number(BigInt.asIntN(64, value));
}

function malformed(message: string): GantryError {
  return new GantryError("invalid", message, { reason: "BadRequest" });
}
