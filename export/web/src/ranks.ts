/** Exact order statistics of more values than memory holds. */

import type { Pixels } from "./source.ts";

type Chunks = () => AsyncIterable<Pixels>;

/** A value's leading digits of 16 bits, and its rank among the values that share them. */
interface Cell {
  prefix: number[];
  rank: number;
}

/**
 * Percentiles of all values, interpolated linearly between neighbours as numpy does.
 *
 * Values are counted by their leading 16 bits, then those in the cells that matter by the next, until a cell is
 * one value: one pass for 8 and 16 bits, two for 32, four for 64.
 *
 * @param chunks Gives the values, in pieces, each time it is called; none NaN. Of none at all, percentiles are 0.
 * @param kind Of the values, an array of any length.
 * @param wanted 0 to 100.
 */
export async function percentiles(chunks: Chunks, kind: Pixels, wanted: number[]): Promise<number[]> {
  const digits = Math.max(1, kind.BYTES_PER_ELEMENT / 2);
  let total = 0;
  for await (const values of chunks()) total += values.length;
  if (total === 0) return wanted.map(() => 0);
  const places = wanted.map((p) => (p / 100) * (total - 1));
  const ranks = [...new Set(places.flatMap((p) => [Math.floor(p), Math.min(Math.floor(p) + 1, total - 1)]))];
  let cells: Cell[] = ranks.map((rank) => ({ prefix: [], rank }));
  for (let digit = 0; digit < digits; digit++) {
    const counted = new Map<string, Float64Array>();
    for (const { prefix } of cells) counted.set(prefix.join(), new Float64Array(2 ** 16));
    for await (const values of chunks()) count(values, digit, counted);
    cells = cells.map(({ prefix, rank }) => {
      const counts = counted.get(prefix.join()) as Float64Array;
      let found = 0;
      while (rank >= counts[found]) rank -= counts[found++];
      return { prefix: [...prefix, found], rank };
    });
  }
  const values = new Map(ranks.map((rank, i) => [rank, valueOf(cells[i].prefix, kind)]));
  return places.map((place) => {
    const low = values.get(Math.floor(place)) as number;
    const high = values.get(Math.min(Math.floor(place) + 1, total - 1)) as number;
    return low + (high - low) * (place - Math.floor(place));
  });
}

/** Add how often each digit follows the digits before it that are asked for. */
function count(values: Pixels, digit: number, counted: Map<string, Float64Array>): void {
  if (values.BYTES_PER_ELEMENT <= 2) {
    const counts = counted.get("") as Float64Array;
    const shift = values instanceof Int16Array || values instanceof Int8Array ? 2 ** 15 : 0;
    for (let i = 0; i < values.length; i++) counts[values[i] + shift]++;
    return;
  }
  const size = values.BYTES_PER_ELEMENT / 2;
  const aligned = values.slice();
  const halves = new Uint16Array(aligned.buffer);
  const wanted = [...counted].map(([key, counts]) => ({ prefix: key ? key.split(",").map(Number) : [], counts }));
  for (let i = 0; i < values.length; i++) {
    orderDigits(halves, i * size, size, values);
    const base = i * size + size - 1; // typed arrays are little-endian wherever browsers run
    for (const { prefix, counts } of wanted) {
      let same = true;
      for (let d = 0; d < digit && same; d++) same = halves[base - d] === prefix[d];
      if (same) counts[halves[base - digit]]++;
    }
  }
}

/** Change the bits of a number so that its digits order like numbers do; its own inverse for integers. */
function orderDigits(halves: Uint16Array, at: number, size: number, kind: Pixels): void {
  const top = at + size - 1;
  const negative = halves[top] >= 2 ** 15;
  if (kind instanceof Uint32Array) return;
  if (kind instanceof Int32Array || !negative) halves[top] ^= 2 ** 15;
  else for (let i = at; i <= top; i++) halves[i] ^= 2 ** 16 - 1;
}

function valueOf(digits: number[], kind: Pixels): number {
  if (kind.BYTES_PER_ELEMENT <= 2) {
    return digits[0] - (kind instanceof Int16Array || kind instanceof Int8Array ? 2 ** 15 : 0);
  }
  const halves = Uint16Array.from(digits.toReversed());
  const top = halves.length - 1;
  if (kind instanceof Int32Array) halves[top] ^= 2 ** 15;
  else if (!(kind instanceof Uint32Array)) {
    if (halves[top] >= 2 ** 15) halves[top] ^= 2 ** 15;
    else for (let i = 0; i <= top; i++) halves[i] ^= 2 ** 16 - 1;
  }
  return new (kind.constructor as new (buffer: ArrayBuffer) => Pixels)(halves.buffer)[0];
}
