import { Transform } from "node:stream";
import { GantryError } from "#base/errors.ts";

const DEFAULT_KEYS = "ctrl-p,ctrl-q";

/**
 * The bytes of a detach sequence such as `ctrl-p,ctrl-q`, `ctrl-@` or `x,DEL` (moby pkg/term ToBytes).
 * "" is the default sequence. Throws `invalid` with Docker's words.
 */
export function parseDetachKeys(keys: string): Buffer {
  return Buffer.from((keys === "" ? DEFAULT_KEYS : keys).split(",").map((key) => keyByte(key, keys)));
}

function keyByte(key: string, keys: string): number {
  if (key.length === 1) return key.charCodeAt(0) & 0xff;
  const control = /^ctrl-([a-z@[\]\\^_])$/i.exec(key)?.[1];
  if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
  if (key.toUpperCase() === "DEL") return 127;
  throw new GantryError("invalid", `Invalid detach keys (${keys}) provided: Unknown character: '${key}'`);
}

/**
 * Passes bytes on until `keys` comes by, then calls `detach` and passes nothing more. A sequence that began but did not
 * complete is passed on late, as Docker does it.
 */
export function detachFilter(keys: Buffer, detach: () => void): Transform {
  let matched = 0;
  let detached = false;
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      if (detached) return callback();
      const out: number[] = [];
      for (const byte of chunk) {
        if (byte === keys[matched]) {
          matched++;
          if (matched === keys.length) {
            detached = true;
            break;
          }
          continue;
        }
        out.push(...keys.subarray(0, matched));
        matched = byte === keys[0] ? 1 : 0;
        if (matched === 0) out.push(byte);
      }
      if (out.length > 0) this.push(Buffer.from(out));
      callback();
      if (detached) detach();
    },
    flush(callback) {
      if (!detached && matched > 0) this.push(keys.subarray(0, matched));
      callback();
    },
  });
}
