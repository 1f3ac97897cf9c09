// Protobuf's wire format (protobuf.dev/programming-guides/encoding).

/** One field as it is on the wire. */
export interface ProtoField {
  readonly number: number;
  /** Wire type 0. */
  readonly varint?: bigint;
  /** Wire type 2. */
  readonly bytes?: Buffer;
  /** Wire types 1 and 5: 8 or 4 bytes. */
  readonly fixed?: Buffer;
}

/** The fields of a message, in order. Throws RangeError when it is cut short or malformed. */
export function protoFields(bytes: Buffer): ProtoField[] {
  const fields: ProtoField[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = readVarint(bytes, at);
    const number = Number(tag.value >> 3n);
    if (number < 1) throw new RangeError("illegal tag 0");
    at = tag.next;
    switch (Number(tag.value & 7n)) {
      case 0: {
        const { value, next } = readVarint(bytes, at);
        fields.push({ number, varint: value });
        at = next;
        break;
      }
      case 1:
        fields.push({ number, fixed: slice(bytes, at, 8) });
        at += 8;
        break;
      case 2: {
        const length = readVarint(bytes, at);
        fields.push({ number, bytes: slice(bytes, length.next, Number(length.value)) });
        at = length.next + Number(length.value);
        break;
      }
      case 5:
        fields.push({ number, fixed: slice(bytes, at, 4) });
        at += 4;
        break;
      default:
        throw new RangeError(`illegal wireType ${Number(tag.value & 7n)}`);
    }
  }
  return fields;
}

/** An integer of seven bits a byte, the lowest first. */
export function readVarint(bytes: Buffer, start: number): { value: bigint; next: number } {
  let value = 0n;
  for (let at = start, shift = 0n; shift < 70n; at++, shift += 7n) {
    const byte = bytes[at];
    if (byte === undefined) throw new RangeError("unexpected EOF");
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return { value, next: at + 1 };
  }
  throw new RangeError("integer overflow");
}

function slice(bytes: Buffer, at: number, length: number): Buffer {
  if (at + length > bytes.length) throw new RangeError("unexpected EOF");
  return bytes.subarray(at, at + length);
}
