/** A here-document: `<<EOF`, `<<-EOF` (leading tabs dropped), `<<"EOF"` (no variables). */
export interface Heredoc {
  readonly name: string;
  readonly chomp: boolean;
  readonly expand: boolean;
  /** Its lines, each with its newline. */
  readonly content: string;
  /** The file descriptor before `<<`; 0 when none is given. */
  readonly descriptor: number;
}

/** The here-documents that a line begins, in order, their content still to be read. */
export function heredocsOf(line: string): Heredoc[] {
  const found: Heredoc[] = [];
  for (const word of rawWords(line)) {
    const heredoc = parseHeredoc(word);
    if (heredoc) found.push(heredoc);
  }
  return found;
}

/** A word such as `<<EOF` or `3<<-"END"`; undefined for any other. */
export function parseHeredoc(word: string): Heredoc | undefined {
  const match = /^(\d*)<<(-?)(?:"([^"<]+)"|'([^'<]+)'|([^\s<"'=]+))$/.exec(word);
  if (!match) return undefined;
  const [, descriptor = "", dash = "", double, single, bare] = match;
  const name = double ?? single ?? bare ?? "";
  return {
    name,
    chomp: dash === "-",
    expand: bare !== undefined,
    content: "",
    descriptor: descriptor === "" ? 0 : Number(descriptor),
  };
}

/** Words by spaces, quotes kept and not looked into. */
function rawWords(line: string): string[] {
  return line.match(/(?:"(?:\\.|[^"\\])*"|'[^']*'|\\[\s\S]|[^\s"'\\])+/g) ?? [];
}
