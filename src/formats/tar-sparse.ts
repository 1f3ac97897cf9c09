import { badTar, TAR_BLOCK, type TarLimits } from "./tar-entry.ts";
import { readNumber } from "./tar-header.ts";
import { parseNumber } from "./tar-pax.ts";

/** Where the data of a sparse file lies: regions in order, holes between them. */
export interface SparseMap {
  readonly realSize: number;
  readonly regions: readonly SparseRegion[];
}

export interface SparseRegion {
  readonly offset: number;
  readonly length: number;
}

/** What a parser asks for, and gets: a number of bytes, exactly. */
export type Bytes<T> = Generator<number, T, Buffer>;

/** The old GNU form: four regions in the header block, 21 in each extension block that follows it. */
export function* readOldSparseMap(header: Buffer, limits: TarLimits): Bytes<SparseMap> {
  const realSize = readNumber(header, 483, 12);
  const regions = oldRegions(header, 386, 4);
  let more = header[482] !== 0;
  while (more) {
    const block = yield TAR_BLOCK;
    regions.push(...oldRegions(block, 0, 21));
    if (regions.length > limits.sparseRegions) throw badTar();
    more = block[504] !== 0;
  }
  return { realSize, regions };
}

function oldRegions(block: Buffer, start: number, count: number): SparseRegion[] {
  const regions: SparseRegion[] = [];
  for (let at = start; at < start + count * 24; at += 24) {
    if (block[at] === 0) break;
    regions.push({ offset: readNumber(block, at, 12), length: readNumber(block, at + 12, 12) });
  }
  return regions;
}

/** Versions 0.0 and 0.1: offsets and lengths in turn, in PAX records. */
export function sparseMapOf(numbers: readonly number[], realSize: number, limits: TarLimits): SparseMap {
  if (numbers.length % 2 !== 0 || numbers.length / 2 > limits.sparseRegions) throw badTar();
  const regions: SparseRegion[] = [];
  for (let at = 0; at < numbers.length; at += 2) {
    regions.push({ offset: numbers[at] ?? 0, length: numbers[at + 1] ?? 0 });
  }
  return { realSize, regions };
}

/** Version 1.0: decimal lines at the start of the data, in whole blocks. Returns the bytes that the map took, too. */
export function* readSparseMap1(realSize: number, limits: TarLimits): Bytes<{ map: SparseMap; bytes: number }> {
  let bytes = 0;
  let rest = "";
  const numbers: number[] = [];
  let wanted = 1;
  while (numbers.length < wanted) {
    rest += (yield TAR_BLOCK).toString("latin1");
    bytes += TAR_BLOCK;
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (numbers.length === wanted) break;
      numbers.push(parseNumber(line));
      if (numbers.length === 1) wanted = 1 + 2 * (numbers[0] ?? 0);
      if (wanted > 1 + 2 * limits.sparseRegions) throw badTar();
    }
    if (rest.length > 20 && numbers.length < wanted) throw badTar();
  }
  return { map: sparseMapOf(numbers.slice(1), realSize, limits), bytes };
}

/** Throws unless the regions are in order, inside the file, and add up to the `stored` bytes. */
export function checkSparseMap(map: SparseMap, stored: number): void {
  let end = 0;
  let total = 0;
  for (const { offset, length } of map.regions) {
    if (offset < end || length < 0 || offset + length > map.realSize) throw badTar();
    end = offset + length;
    total += length;
  }
  if (total !== stored) throw badTar();
}
