/** A copy with room for `length` numbers. */
export function grownFloats(from: Float64Array, length: number): Float64Array {
  const to = new Float64Array(length);
  to.set(from);
  return to;
}

/** A copy with room for `length` numbers. */
export function grownInts(from: Int32Array, length: number): Int32Array {
  const to = new Int32Array(length);
  to.set(from);
  return to;
}

/** A copy with room for `length` bytes. */
export function grownBytes(from: Uint8Array, length: number): Uint8Array {
  const to = new Uint8Array(length);
  to.set(from);
  return to;
}
