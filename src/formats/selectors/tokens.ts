/** A piece of a label selector's text. */
export interface SelectorToken {
  readonly kind: "word" | "in" | "notin" | "!" | "=" | "==" | "!=" | ">" | "<" | "(" | ")" | "," | "end" | "error";
  readonly text: string;
}

const SYMBOLS = /^[=!(),><]/;

/** Splits a selector into tokens; ends with an `end` token. Symbols run together by the longest match, as upstream. */
export function tokenizeSelector(text: string): SelectorToken[] {
  const tokens: SelectorToken[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    if (/[ \t\r\n]/.test(char)) {
      at++;
      continue;
    }
    const token = SYMBOLS.test(char) ? symbolAt(text, at) : wordAt(text, at);
    tokens.push(token);
    at += token.text.length;
  }
  tokens.push({ kind: "end", text: "" });
  return tokens;
}

function symbolAt(text: string, at: number): SelectorToken {
  const two = text.slice(at, at + 2);
  if (two === "==" || two === "!=") return { kind: two, text: two };
  const one = text.charAt(at);
  switch (one) {
    case "!":
    case "=":
    case ">":
    case "<":
    case "(":
    case ")":
    case ",":
      return { kind: one, text: one };
    default:
      return { kind: "error", text: one };
  }
}

function wordAt(text: string, at: number): SelectorToken {
  let end = at;
  while (end < text.length && !/[=!(),><\s]/.test(text.charAt(end))) end++;
  // A blank that is not one of the selector's own (a no-break space, say) is part of the word.
  const word = text.slice(at, Math.max(end, at + 1));
  return { kind: word === "in" || word === "notin" ? word : "word", text: word };
}
