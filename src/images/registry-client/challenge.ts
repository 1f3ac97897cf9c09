/** A challenge of a WWW-Authenticate header (RFC 9110, section 11.6.1). */
export interface Challenge {
  /** Lower case. */
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_HEADER = 8192;

// Each looks at one thing at the present place and cannot look back.
const SEPARATORS = /[\s,]*/y;
const PARAMETER = /([A-Za-z_][\w-]*)[ \t]*=[ \t]*/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const PLAIN = /[^\s,"]+/y;
const SCHEME = /[A-Za-z][\w-]*/y;

/** The challenges of a header, in order; what follows a malformed part is left out. */
export function parseChallenges(header: string): readonly Challenge[] {
  const text = header.slice(0, MAX_HEADER);
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) return undefined;
    at = pattern.lastIndex;
    return match;
  };
  for (;;) {
    take(SEPARATORS);
    const parameter = take(PARAMETER);
    if (parameter) {
      const quoted = take(QUOTED);
      const value = quoted ? quoted[1]?.replace(/\\(.)/g, "$1") : take(PLAIN)?.[0];
      if (value === undefined) return challenges;
      challenges.at(-1)?.parameters.set((parameter[1] ?? "").toLowerCase(), value);
      continue;
    }
    const scheme = take(SCHEME)?.[0];
    if (scheme === undefined) return challenges;
    challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
  }
}
