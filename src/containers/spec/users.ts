import { GantryError } from "#base/errors.ts";

/** Who a process runs as. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  /** For HOME when the environment has none. */
  readonly home: string;
}

/** The text of the container's own files; "" when there are none. */
export interface UserFiles {
  readonly passwd: string;
  readonly group: string;
}

/** Larger ids wrap around to root in 32-bit fields (CVE-2024-40635). */
const LARGEST_ID = 2 ** 31 - 1;

/**
 * Resolves `user[:group]` as runc does (libcontainer/user, GetExecUser): a number is always an id, a name is looked up, the groups that
 * list the user come along unless a group was given, or as `imageGroups` says. Throws `invalid` in runc's words.
 */
export function resolveUser(
  spec: string,
  additionalGroups: readonly string[],
  files: UserFiles,
  imageGroups?: "always" | "never",
): ProcessUser {
  const colon = spec.indexOf(":");
  const userPart = colon < 0 ? spec : spec.slice(0, colon);
  const groupPart = colon < 0 ? "" : spec.slice(colon + 1);
  const groups = parseGroups(files.group);
  const { entry, uid } = findUser(userPart, files.passwd);
  const chosen = groupPart === "" ? undefined : findGroup(groupPart, groups);
  const wanted = imageGroups === undefined ? groupPart === "" : imageGroups === "always";
  const listed =
    wanted && entry ? groups.filter(({ members }) => members.includes(entry.name)).map(({ gid }) => gid) : [];
  const gid = chosen ?? entry?.gid ?? 0;
  return {
    uid,
    gid,
    // The main group too: a set-gid program must not be able to drop it (CVE-2022-36109).
    additionalGids: unique([gid, ...listed, ...additionalGroups.map((name) => findGroup(name, groups))]),
    home: entry?.home || "/",
  };
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

function findUser(name: string, passwd: string): { entry: PasswdEntry | undefined; uid: number } {
  const id = name === "" ? 0 : numericId(name);
  const entry = parsePasswd(passwd).find((candidate) =>
    id === undefined ? candidate.name === name : candidate.uid === id,
  );
  const uid = entry?.uid ?? id;
  if (uid === undefined)
    throw new GantryError("invalid", `unable to find user ${name}: no matching entries in passwd file`, { user: name });
  return { entry, uid };
}

function findGroup(name: string, groups: readonly GroupEntry[]): number {
  const id = numericId(name);
  const gid = groups.find((group) => (id === undefined ? group.name === name : group.gid === id))?.gid ?? id;
  if (gid === undefined)
    throw new GantryError("invalid", `unable to find group ${name}: no matching entries in group file`, {
      group: name,
    });
  return gid;
}

/** The id that a number names; undefined for a name. */
function numericId(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id < 0 || id > LARGEST_ID)
    throw new GantryError("invalid", `uids and gids must be in range 0-${LARGEST_ID}`, { id: text });
  return id;
}

function parsePasswd(text: string): PasswdEntry[] {
  return fieldsOf(text).flatMap(([name, , uid, gid, , home]) => {
    const ids = [fileId(uid), fileId(gid)] as const;
    if (!name || ids[0] === undefined || ids[1] === undefined) return [];
    return [{ name, uid: ids[0], gid: ids[1], home: home ?? "" }];
  });
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

function parseGroups(text: string): GroupEntry[] {
  return fieldsOf(text).flatMap(([name, , gid, members]) => {
    const id = fileId(gid);
    if (!name || id === undefined) return [];
    return [{ name, gid: id, members: (members ?? "").split(",") }];
  });
}

function fieldsOf(text: string): string[][] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}

/** An id in a file of the image; lines without a sound one are passed over. */
function fileId(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  const id = Number(text);
  return id <= LARGEST_ID ? id : undefined;
}

function unique(ids: readonly number[]): number[] {
  return Array.from(new Set(ids));
}
