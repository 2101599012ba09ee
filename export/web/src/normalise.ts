/** Raw values to the network's input, as unetzoo's training does it. */

import type { Normalisation } from "./contract.ts";
import { percentiles } from "./ranks.ts";
import { type Pixels, type Source, pieces } from "./source.ts";

// mean and standard deviation of ImageNet's RGB on a 0..255 scale, as torchvision and timm use them
const IMAGENET_MEAN = [123.675, 116.28, 103.53];
const IMAGENET_STD = [58.395, 57.12, 57.375];

/** What is subtracted from each band and by what it is divided then; 0 if it has no contrast. */
export interface Scale {
  shift: number[];
  divisor: number[];
  clipped: boolean;
}

/** The numbers that `rescale` needs; reads the image, once or more, where they come from it. */
export async function scaleOf(source: Source, how: Normalisation): Promise<Scale> {
  if (how.method === "imagenet") return { shift: IMAGENET_MEAN, divisor: IMAGENET_STD, clipped: false };
  if (how.method === "fixed") return { shift: how.mean, divisor: how.std, clipped: false };
  const ends = await extremes(source);
  if (how.method === "zscore") return { ...(await meansAndDeviations(source, ends)), clipped: false };
  const clipped = how.method === "percentile";
  if (clipped) {
    for (const [band, [low, high]] of ends.entries()) {
      if (low < high) ends[band] = await bandPercentiles(source, band, how.low, how.high);
    }
  }
  return { shift: ends.map(([low]) => low), divisor: ends.map(([low, high]) => high - low), clipped };
}

/**
 * Any band of an image in the network's numbers, 0 where it has no data.
 *
 * In single precision after the subtraction, like the Python runtime, so that both feed the same bits.
 */
export function rescale(band: Pixels, valid: Uint8Array, index: number, scale: Scale): Float32Array {
  const x = new Float32Array(band.length);
  const shift = scale.shift[index];
  const divisor = Math.fround(scale.divisor[index]);
  if (divisor === 0) return x;
  for (let i = 0; i < x.length; i++) {
    if (!valid[i]) continue;
    const value = Math.fround(band[i] - shift) / divisor;
    x[i] = scale.clipped ? Math.min(1, Math.max(0, value)) : value;
  }
  return x;
}

/** Smallest and largest valid value of each band; (0, 0) where there is none. */
export async function extremes(source: Source): Promise<[number, number][]> {
  const ends = Array.from({ length: source.count }, (): [number, number] => [Infinity, -Infinity]);
  for await (const { data, valid } of pieces(source)) {
    data.forEach((band, c) => {
      let [low, high] = ends[c];
      for (let i = 0; i < band.length; i++) {
        if (!valid[i]) continue;
        if (band[i] < low) low = band[i];
        if (band[i] > high) high = band[i];
      }
      ends[c] = [low, high];
    });
  }
  return ends.map(([low, high]) => (low <= high ? [low, high] : [0, 0]));
}

/** Two percentiles of one band's valid values. */
export async function bandPercentiles(
  source: Source,
  band: number,
  low: number,
  high: number,
): Promise<[number, number]> {
  async function* values(): AsyncGenerator<Pixels> {
    for await (const { data, valid } of pieces(source)) yield known(data[band], valid);
  }
  const [first, second] = await percentiles(values, source.kind, [low, high]);
  return [first, second];
}

function known(band: Pixels, valid: Uint8Array): Pixels {
  return valid.includes(0) ? band.filter((_: number, i: number) => valid[i] === 1) : band;
}

/**
 * Mean and standard deviation of each band's valid values; the deviation of equal values is 0.
 *
 * With count n, mean m and squared deviation q of each row, that of all is the sum of `q + n (m - mean)^2`.
 */
async function meansAndDeviations(
  source: Source,
  ends: [number, number][],
): Promise<{ shift: number[]; divisor: number[] }> {
  const rows = ends.map(() => [] as { n: number; m: number; q: number }[]);
  for await (const { first, last, data, valid } of pieces(source)) {
    for (let row = 0; row < last - first; row++) {
      const where = [row * source.width, (row + 1) * source.width] as const;
      const seen = valid.subarray(...where);
      data.forEach((band, c) => rows[c].push(moments(band.subarray(...where), seen)));
    }
  }
  const found = rows.map((band, c) => {
    const [low, high] = ends[c];
    if (low === high) return { mean: low, deviation: 0 };
    const total = band.reduce((sum, { n }) => sum + n, 0);
    const mean = band.reduce((sum, { n, m }) => sum + n * m, 0) / total;
    const spread = band.reduce((sum, { n, m, q }) => sum + q + n * (m - mean) ** 2, 0);
    return { mean, deviation: Math.sqrt(spread / total) };
  });
  return { shift: found.map(({ mean }) => mean), divisor: found.map(({ deviation }) => deviation) };
}

function moments(values: Pixels, valid: Uint8Array): { n: number; m: number; q: number } {
  let [n, sum, q] = [0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    if (valid[i]) {
      n++;
      sum += values[i];
    }
  }
  const m = sum / Math.max(n, 1);
  for (let i = 0; i < values.length; i++) if (valid[i]) q += (values[i] - m) ** 2;
  return { n, m, q };
}
