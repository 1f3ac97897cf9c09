import { randomBytes } from "node:crypto";

/** Randomness as a parameter, so that a failing seed replays. */
export interface Random {
  bytes(count: number): Uint8Array;
  /** A number in [0, 1). */
  next(): number;
}

/** Asking the system for a few bytes at a time costs more than the bytes: they come out of a buffer, each once. */
const POOL_BYTES = 4096;
let pool = Buffer.alloc(0);
let used = 0;

function take(count: number): Buffer {
  if (count > POOL_BYTES) return randomBytes(count);
  if (used + count > pool.length) {
    pool = randomBytes(POOL_BYTES);
    used = 0;
  }
  const bytes = Buffer.from(pool.subarray(used, used + count));
  pool.fill(0, used, used + count);
  used += count;
  return bytes;
}

/** The machine's cryptographic randomness. */
export const systemRandom: Random = {
  bytes: take,
  next: () => take(6).readUIntBE(0, 6) / 2 ** 48,
};

/** A repeatable sequence (mulberry32) for simulations; not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)) };
}
