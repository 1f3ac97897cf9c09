import { GantryError } from "#base/errors.ts";

/** The mode that a file gets, of the one that it has. */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

const SPECIAL = { user: 0o4000, group: 0o2000, sticky: 0o1000 };
const ALL = 0o777 | SPECIAL.user | SPECIAL.group;

/**
 * COPY --chmod: octal digits, or clauses as of chmod(1) without a umask (`u=rwX,go-w`), where `X` means something after `+` alone, as in
 * BSD's chmod, which BuildKit's is made after. Throws `invalid` in BuildKit's words.
 */
export function parseFileMode(text: string): ModeChange {
  if (/^[0-7]+$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    if (mode > 0o7777) throw refused(text);
    return () => mode;
  }
  if (!/^[ugoa]*([-+=][rwxXstugo]*)+(,[ugoa]*([-+=][rwxXstugo]*)+)*$/.test(text)) throw refused(text);
  const changes = text.split(",").flatMap(parseClause);
  return (mode, isDirectory) => {
    const searchable = isDirectory || (mode & 0o111) !== 0;
    return changes.reduce((now, change) => change(now, searchable), mode);
  };
}

function refused(text: string): GantryError {
  return new GantryError(
    "invalid",
    `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`,
    { flag: "chmod" },
  );
}

type Change = (mode: number, searchable: boolean) => number;

function parseClause(clause: string): Change[] {
  const [who = ""] = /^[ugoa]*/.exec(clause) ?? [];
  const actions = clause.slice(who.length).match(/[-+=][rwxXstugo]*/g) ?? [];
  return actions.map((action) => changeOf(whose(who), action.charAt(0), action.slice(1)));
}

/** The bits that a clause is about. */
function whose(who: string): number {
  if (who === "" || who.includes("a")) return ALL;
  const of = (letter: string, bits: number): number => (who.includes(letter) ? bits : 0);
  return of("u", 0o700 | SPECIAL.user) | of("g", 0o070 | SPECIAL.group) | of("o", 0o007);
}

function changeOf(who: number, operator: string, letters: string): Change {
  // The sticky bit is nobody's; it is not "others'" to give either.
  const sticky = letters.includes("t") && (who & ~0o007) !== 0 ? SPECIAL.sticky : 0;
  return (mode, searchable) => {
    const given = (bitsOf(letters, mode, operator === "+" && searchable) & who) | sticky;
    if (operator === "+") return mode | given;
    if (operator === "-") return mode & ~given;
    return (mode & ~(who | sticky)) | given;
  };
}

function bitsOf(letters: string, mode: number, X: boolean): number {
  const each = (bits: number): number => (bits << 6) | (bits << 3) | bits;
  const values: Readonly<Record<string, number>> = {
    r: each(4),
    w: each(2),
    x: each(1),
    X: X ? each(1) : 0,
    s: SPECIAL.user | SPECIAL.group,
    u: each((mode >> 6) & 7),
    g: each((mode >> 3) & 7),
    o: each(mode & 7),
  };
  return Array.from(letters).reduce((bits, letter) => bits | (values[letter] ?? 0), 0);
}
