// JSON Patch (RFC 6902) as the API server applies it, with the error texts of evanphx/json-patch.
import { GantryError } from "#base/errors.ts";
import { copyTree, getOwn, isJsonObject, sameTree, setOwn } from "./tree.ts";

/** One operation of a JSON patch. */
export interface PatchOperation {
  readonly op: "add" | "remove" | "replace" | "move" | "copy" | "test";
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** Longer patches are refused (k8s.io/apiserver, maxJSONPatchOperations). */
export const MAX_JSON_PATCH_OPERATIONS = 10_000;
/** What all `copy` operations of a patch may add together (k8s.io/apiserver, JSONPatchMaxCopyBytes). */
export const MAX_JSON_PATCH_COPY_BYTES = 3 * 1024 * 1024;

const MISSING = "missing value";
const BAD_INDEX = "invalid index referenced";

/** What a path leads to: the document itself, or a place in a container. */
type Container = Record<string, unknown> | unknown[];

/** Checks a patch document. Throws `invalid` when it is no list of operations, `too-large` when it has too many. */
export function readJsonPatch(value: unknown): PatchOperation[] {
  if (!Array.isArray(value)) {
    const found = value === null ? "null" : typeof value;
    throw new GantryError("invalid", `json: cannot unmarshal ${found} into Go value of type jsonpatch.Patch`, {
      reason: "BadRequest",
    });
  }
  if (value.length > MAX_JSON_PATCH_OPERATIONS) {
    throw new GantryError(
      "too-large",
      `The allowed maximum operations in a JSON patch is ${MAX_JSON_PATCH_OPERATIONS}, got ${value.length}`,
    );
  }
  for (const operation of value as unknown[]) {
    if (isJsonObject(operation)) continue;
    throw new GantryError("invalid", "json: cannot unmarshal value into Go value of type jsonpatch.Operation", {
      reason: "BadRequest",
    });
  }
  return value as PatchOperation[];
}

/**
 * The document after all operations; `document` itself is left alone. Throws `invalid` at the first operation that does
 * not apply. Negative indexes count from the end, as upstream.
 */
export function applyJsonPatch(document: unknown, patch: readonly PatchOperation[]): unknown {
  const state: State = { root: copyTree(document), copiedBytes: 0 };
  for (const operation of patch) applyOperation(state, operation);
  return state.root;
}

interface State {
  root: unknown;
  copiedBytes: number;
}

function applyOperation(state: State, operation: PatchOperation): void {
  const { op } = operation;
  switch (op) {
    case "add":
      return add(state, readPath(operation, op), copyTree(operation.value ?? null));
    case "remove":
      return remove(state, readPath(operation, op));
    case "replace":
      return replace(state, readPath(operation, op), copyTree(operation.value ?? null));
    case "move":
      return move(state, operation);
    case "copy":
      return copy(state, operation);
    case "test":
      return check(state, readPath(operation, op), operation.value ?? null);
    default:
      return fail(`Unexpected kind: ${String(op ?? "unknown")}`);
  }
}

function add(state: State, path: string, value: unknown): void {
  if (path === "") {
    state.root = value;
    return;
  }
  const [container, key] =
    find(state.root, path) ?? fail(`add operation does not apply: doc is missing path: "${path}": ${MISSING}`);
  inOperation(`error in add for path: '${path}'`, () => insert(container, key, value));
}

function remove(state: State, path: string): void {
  const [container, key] =
    find(state.root, path) ?? fail(`remove operation does not apply: doc is missing path: "${path}": ${MISSING}`);
  inOperation(`error in remove for path: '${path}'`, () => take(container, key));
}

function replace(state: State, path: string, value: unknown): void {
  if (path === "") {
    if (typeof value !== "object" || value === null) fail("replace operation value must be object or array");
    state.root = value;
    return;
  }
  const [container, key] =
    find(state.root, path) ?? fail(`replace operation does not apply: doc is missing path: ${path}: ${MISSING}`);
  if (!has(container, key)) fail(`replace operation does not apply: doc is missing key: ${path}: ${MISSING}`);
  if (Array.isArray(container)) container[indexIn(container, key, container.length)] = value;
  else setOwn(container, key, value);
}

function move(state: State, operation: PatchOperation): void {
  const from = readFrom(operation, "move");
  const [source, sourceKey] =
    find(state.root, from) ?? fail(`move operation does not apply: doc is missing from path: ${from}: ${MISSING}`);
  const value = inOperation(`error in move for path: '${sourceKey}'`, () => take(source, sourceKey));
  const path = readPath(operation, "move");
  const [target, key] =
    find(state.root, path) ??
    fail(`move operation does not apply: doc is missing destination path: ${path}: ${MISSING}`);
  inOperation(`error in move for path: '${path}'`, () => insert(target, key, value));
}

function copy(state: State, operation: PatchOperation): void {
  const from = readFrom(operation, "copy");
  const [source, sourceKey] =
    find(state.root, from) ?? fail(`copy operation does not apply: doc is missing from path: ${from}: ${MISSING}`);
  const value = inOperation(`error in copy for from: '${from}'`, () => read(source, sourceKey));
  const path = readPath(operation, "copy");
  const [target, key] =
    find(state.root, path) ??
    fail(`copy operation does not apply: doc is missing destination path: ${path}: ${MISSING}`);
  state.copiedBytes += Buffer.byteLength(JSON.stringify(value));
  if (state.copiedBytes > MAX_JSON_PATCH_COPY_BYTES) {
    fail(
      `Unable to complete the copy, the accumulated size increase of copy is ${state.copiedBytes}, exceeding the limit ${MAX_JSON_PATCH_COPY_BYTES}`,
    );
  }
  inOperation("error while adding value during copy", () => insert(target, key, copyTree(value)));
}

function check(state: State, path: string, wanted: unknown): void {
  let found = state.root;
  if (path !== "") {
    const [container, key] =
      find(state.root, path) ?? fail(`test operation does not apply: is missing path: ${path}: ${MISSING}`);
    // A missing key equals null, as upstream.
    const absent = !Array.isArray(container) && !has(container, key);
    found = absent ? null : inOperation(`error in test for path: '${path}'`, () => read(container, key));
  }
  if (!sameTree(found, wanted)) fail(`testing value ${path} failed: test failed`);
}

/** The container that holds the last part of `path`, and that part. */
function find(root: unknown, path: string): [Container, string] | undefined {
  const parts = path
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  const last = parts.pop();
  if (last === undefined) return undefined;
  let current: unknown = root;
  for (const part of parts) {
    if (!isContainer(current) || !has(current, part)) return undefined;
    current = read(current, part);
  }
  return isContainer(current) ? [current, last] : undefined;
}

function isContainer(value: unknown): value is Container {
  return typeof value === "object" && value !== null;
}

function has(container: Container, key: string): boolean {
  if (!Array.isArray(container)) return Object.hasOwn(container, key);
  const index = /^-?[0-9]+$/.test(key) ? Number(key) : NaN;
  return index < container.length && index >= -container.length;
}

function read(container: Container, key: string): unknown {
  if (Array.isArray(container)) return container[indexIn(container, key, container.length)];
  if (!Object.hasOwn(container, key)) fail(`unable to get nonexistent key: ${key}: ${MISSING}`);
  return getOwn(container, key);
}

function take(container: Container, key: string): unknown {
  if (Array.isArray(container)) return container.splice(indexIn(container, key, container.length), 1)[0];
  if (!Object.hasOwn(container, key)) fail(`Unable to remove nonexistent key: ${key}: ${MISSING}`);
  const value = container[key];
  delete container[key];
  return value;
}

function insert(container: Container, key: string, value: unknown): void {
  if (!Array.isArray(container)) setOwn(container, key, value);
  else if (key === "-") container.push(value);
  else container.splice(indexIn(container, key, container.length + 1), 0, value);
}

/** The index that `key` means in a list of which `size` places may be addressed. */
function indexIn(list: readonly unknown[], key: string, size: number): number {
  if (!/^[+-]?[0-9]+$/.test(key)) {
    fail(`value was not a proper array index: '${key}': strconv.Atoi: parsing ${JSON.stringify(key)}: invalid syntax`);
  }
  const index = Number(key);
  if (index >= size || index < -size) fail(`Unable to access invalid index: ${index}: ${BAD_INDEX}`);
  return index < 0 ? index + (size > list.length ? size : list.length) : index;
}

function readPath(operation: PatchOperation, op: string): string {
  if (typeof operation.path === "string") return operation.path;
  return fail(`${op} operation failed to decode path: ${MISSING}`);
}

function readFrom(operation: PatchOperation, op: string): string {
  if (typeof operation.from === "string") return operation.from;
  return fail(`${op} operation failed to decode from: ${MISSING}`);
}

function inOperation<T>(prefix: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof GantryError) throw new GantryError("invalid", `${prefix}: ${error.message}`);
    throw error;
  }
}

function fail(message: string): never {
  throw new GantryError("invalid", message);
}
