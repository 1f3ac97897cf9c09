import { GantryError } from "#base/errors.ts";
import type { PathStat } from "#containers/container-files.ts";
import { formatTime } from "#formats/docker-time.ts";
import type { Deps } from "../deps.ts";
import { actorAttributes } from "./attach.ts";
import { param, type Call, type Handler } from "../http/call.ts";
import { empty, pipeWhileConnected } from "../http/reply.ts";
import { unpacked } from "#build/decompress.ts";

const STAT_HEADER = "X-Docker-Container-Path-Stat";

/** HEAD /containers/{name}/archive: what lies at a path. */
export function statArchiveHandler(deps: Deps): Handler {
  return async (call) => {
    const stat = await deps.files.stat(deps.engine.get(param(call)).id, pathOf(call));
    call.response.writeHead(200, { [STAT_HEADER]: statHeader(stat) });
    call.response.end();
  };
}

/** GET /containers/{name}/archive: a tar of what lies there. */
export function getArchiveHandler(deps: Deps): Handler {
  return async (call) => {
    const container = deps.engine.get(param(call));
    const { stat, archive } = await deps.files.read(container.id, pathOf(call));
    deps.journal.record("container", "archive-path", container.id, actorAttributes(container));
    call.response.writeHead(200, { "content-type": "application/x-tar", [STAT_HEADER]: statHeader(stat) });
    await pipeWhileConnected(call, archive);
  };
}

/** PUT /containers/{name}/archive: unpacks a tar (plain, gzip, zstd) into a directory. */
export function putArchiveHandler(deps: Deps): Handler {
  return async (call) => {
    const { query } = call;
    const container = deps.engine.get(param(call));
    await deps.files.write(container.id, pathOf(call), await unpacked(call.body), {
      keepKinds: query.flag("noOverwriteDirNonDir"),
      asUser: query.flag("copyUIDGID"),
    });
    deps.journal.record("container", "extract-to-dir", container.id, actorAttributes(container));
    empty(call.response, 200);
  };
}

function pathOf({ query }: Call): string {
  const path = query.text("path");
  if (path === "") throw new GantryError("invalid", "bad parameter: pathcannot be empty");
  return path;
}

/** Bits of Go's os.FileMode beside the permissions (io/fs). */
const GO_MODE = { directory: 2 ** 31, symlink: 2 ** 27, other: 2 ** 26, file: 0 } as const;
const GO_SPECIAL: readonly (readonly [bit: number, go: number])[] = [
  [0o4000, 2 ** 23],
  [0o2000, 2 ** 22],
  [0o1000, 2 ** 20],
];

function statHeader({ name, size, kind, mode, modifiedNanos, linkTarget }: PathStat): string {
  const special = GO_SPECIAL.reduce((sum, [bit, go]) => sum + (mode & bit ? go : 0), 0);
  const document = {
    name,
    size,
    mode: GO_MODE[kind] + special + (mode & 0o777),
    mtime: formatTime(Number(modifiedNanos / 1000n) / 1000),
    linkTarget,
  };
  return Buffer.from(JSON.stringify(document)).toString("base64");
}
