import { createHmac, randomBytes } from "node:crypto";
import { compare } from "bcryptjs";
import { GantryError } from "#base/errors.ts";
import type { Credentials } from "./create-registry.ts";

/** The most bytes of a password file. */
export const HTPASSWD_LIMIT_BYTES = 1024 * 1024;

/** Passwords that were right are remembered, so that bcrypt is not computed for each request of a push. */
const REMEMBERED = 256;

/** bcrypt of no password: an unknown user takes as long as a known one. */
const NOBODY = "$2b$10$CwTycUXWue0Thq9StjUM0uJ8.6Hn2ZPzF7pRo0uGOLdXPNnK1QxMe";

/**
 * Who may use a registry, by the lines `user:hash` of Apache's htpasswd file. As with Docker's registry, hashes are bcrypt's
 * (`htpasswd -B`). Throws `invalid`, which names the line, for any other.
 */
export function parseHtpasswd(text: string): (user: Credentials | undefined) => Promise<boolean> {
  const hashes = new Map<string, string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const hash = line.slice(colon + 1).trim();
    if (colon < 1) throw new GantryError("invalid", `htpasswd line ${index + 1}: wanted user:hash`);
    if (!/^\$2[aby]\$\d{2}\$[./A-Za-z0-9]{53}$/.test(hash))
      throw new GantryError("invalid", `htpasswd line ${index + 1}: only bcrypt is supported (htpasswd -B)`);
    hashes.set(line.slice(0, colon), hash);
  }
  const known = memory();
  return async (user) => {
    if (!user) return false;
    const hash = hashes.get(user.username);
    if (known.has(user)) return true;
    const right = await compare(user.password, hash ?? NOBODY);
    if (!right || hash === undefined) return false;
    known.add(user);
    return true;
  };
}

/** What was right, not readable: digests under a key that is nowhere else. */
function memory(): { has(user: Credentials): boolean; add(user: Credentials): void } {
  const key = randomBytes(32);
  const digests = new Set<string>();
  const digestOf = ({ username, password }: Credentials): string =>
    createHmac("sha256", key)
      .update(JSON.stringify([username, password]))
      .digest("base64");
  return {
    has: (user) => digests.has(digestOf(user)),
    add(user) {
      for (const oldest of digests) {
        if (digests.size < REMEMBERED) break;
        digests.delete(oldest);
      }
      digests.add(digestOf(user));
    },
  };
}
