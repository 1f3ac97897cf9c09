import { GantryError } from "#base/errors.ts";

/** A repository, and what of it: a branch, tag or commit, and a directory. */
export interface GitSource {
  readonly remote: string;
  /** "": the repository's own default. */
  readonly ref: string;
  readonly directory: string;
}

/**
 * Reads a git URL as Docker does (docs.docker.com/build/concepts/context, "Git repositories"): `git://...`, `git@host:path`, `ssh://...`,
 * `github.com/...`, and `http(s)://....git`, each with `#ref:directory` behind it. undefined for anything else. Throws `invalid` for
 * parts that git would take for options.
 */
export function parseGitUrl(text: string): GitSource | undefined {
  const at = text.indexOf("#");
  const [url, fragment] = at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
  const isGit =
    /^(git|ssh):\/\//.test(url) ||
    /^[\w.-]+@[\w.-]+:/.test(url) ||
    url.startsWith("github.com/") ||
    (/^https?:\/\//.test(url) && /\.git\/?$/.test(url.split("?", 1)[0] ?? ""));
  if (!isGit) return undefined;
  const colon = fragment.indexOf(":");
  const ref = colon < 0 ? fragment : fragment.slice(0, colon);
  const directory = colon < 0 ? "" : fragment.slice(colon + 1);
  // A word that begins with a dash would be an option of git's (CVE-2021-41103's kin).
  if (ref.startsWith("-") || url.startsWith("-") || /[\0\n]/.test(text))
    throw new GantryError("invalid", `invalid git reference ${JSON.stringify(text)}`, { url: text });
  return { remote: url.startsWith("github.com/") ? `https://${url}` : url, ref, directory };
}
