/** Raw values to the network's input, as unetzoo's training does it. */

import { type BandNormalisation, type Normalisation, adaptive } from "./contract.ts";
import { percentiles } from "./ranks.ts";
import { type Pixels, type Source, pieces } from "./source.ts";

// mean and standard deviation of ImageNet's RGB on a 0..255 scale, as torchvision and timm use them
const IMAGENET_MEAN = [123.675, 116.28, 103.53];
const IMAGENET_STD = [58.395, 57.12, 57.375];

/** What `rescale` does to each band. */
export interface Scale {
  /** What is subtracted. */
  shift: number[];
  /** By what it is divided then; 0 of a band without contrast, which becomes zeros. */
  divisor: number[];
  /** Of the result. */
  limits: [number, number][];
  /** Raw value that becomes 0. */
  skip: (number | null)[];
}

/** The numbers that `rescale` needs; reads the image, once or more, where they come from it. */
export async function scaleOf(source: Source, how: Normalisation): Promise<Scale> {
  const bands = ofBands(how, source.count);
  const ends = adaptive(how) ? await extremes(source, bands) : bands.map((): [number, number] => [0, 0]);
  const zscores = bands.some(({ method }) => method === "zscore");
  const moments = zscores ? await meansAndDeviations(source, bands, ends) : [];
  const scale: Scale = { shift: [], divisor: [], limits: [], skip: bands.map(({ skip }) => skip) };
  for (const [c, band] of bands.entries()) {
    let [low, high] = band.method === "window" && band.window ? band.window : ends[c];
    if (band.method === "percentile" && low < high) [low, high] = await bandPercentiles(source, c, band);
    let [shift, divisor] = [low, high - low];
    if (band.method === "fixed") [shift, divisor] = [band.mean[0], band.std[0]];
    if (band.method === "zscore") [shift, divisor] = [moments[c].mean, moments[c].deviation];
    scale.shift.push(shift);
    scale.divisor.push(divisor);
    scale.limits.push(limitsOf(band, shift, divisor));
  }
  return scale;
}

/** A normalisation as one per band. */
function ofBands(how: Normalisation, count: number): BandNormalisation[] {
  if (how.each.length) return how.each;
  const [mean, std] = how.method === "imagenet" ? [IMAGENET_MEAN, IMAGENET_STD] : [how.mean, how.std];
  const method = how.method === "imagenet" ? "fixed" : how.method;
  return Array.from({ length: count }, (_, c) =>
    method === "fixed" ? { ...how, method, mean: [mean[c]], std: [std[c]] } : how,
  );
}

function limitsOf({ method, window }: BandNormalisation, shift: number, divisor: number): [number, number] {
  if (method === "percentile" || method === "window") return [0, 1];
  if (window === null || divisor === 0) return [-Infinity, Infinity];
  return [(window[0] - shift) / divisor, (window[1] - shift) / divisor];
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
  const [low, high] = scale.limits[index];
  const skip = scale.skip[index];
  if (divisor === 0) return x;
  for (let i = 0; i < x.length; i++) {
    if (!valid[i] || band[i] === skip) continue;
    x[i] = Math.min(high, Math.max(low, Math.fround(band[i] - shift) / divisor));
  }
  return x;
}

/** Smallest and largest valid value of each band; (0, 0) where there is none. */
export async function extremes(
  source: Source,
  bands: { window: number[] | null; skip: number | null }[] = [],
): Promise<[number, number][]> {
  const ends = Array.from({ length: source.count }, (): [number, number] => [Infinity, -Infinity]);
  for await (const { data, valid } of pieces(source)) {
    data.forEach((band, c) => {
      const skip = bands[c]?.skip ?? null;
      let [low, high] = ends[c];
      for (let i = 0; i < band.length; i++) {
        if (!valid[i] || band[i] === skip) continue;
        if (band[i] < low) low = band[i];
        if (band[i] > high) high = band[i];
      }
      ends[c] = [low, high];
    });
  }
  return ends.map(([low, high], c) => clipped(low <= high ? [low, high] : [0, 0], bands[c]?.window ?? null));
}

function clipped([low, high]: [number, number], window: number[] | null): [number, number] {
  return [clip(low, window), clip(high, window)];
}

function clip(value: number, window: number[] | null): number {
  return window === null ? value : Math.min(Math.max(value, window[0]), window[1]);
}

/** Two percentiles of one band's valid values. */
export async function bandPercentiles(
  source: Source,
  band: number,
  { low, high, window, skip }: Pick<BandNormalisation, "low" | "high" | "window" | "skip">,
): Promise<[number, number]> {
  async function* values(): AsyncGenerator<Pixels> {
    for await (const { data, valid } of pieces(source)) yield known(data[band], valid, skip);
  }
  const [first, second] = await percentiles(values, source.kind, [low, high]);
  return clipped([first, second], window);
}

function known(band: Pixels, valid: Uint8Array, skip: number | null): Pixels {
  if (skip === null && !valid.includes(0)) return band;
  return band.filter((value: number, i: number) => valid[i] === 1 && value !== skip);
}

/**
 * Mean and standard deviation of each band's values; the deviation of equal values is 0.
 *
 * With count n, mean m and squared deviation q of each row, that of all is the sum of `q + n (m - mean)^2`.
 */
async function meansAndDeviations(
  source: Source,
  bands: BandNormalisation[],
  ends: [number, number][],
): Promise<{ mean: number; deviation: number }[]> {
  const rows = ends.map(() => [] as { n: number; m: number; q: number }[]);
  for await (const { first, last, data, valid } of pieces(source)) {
    for (let row = 0; row < last - first; row++) {
      const where = [row * source.width, (row + 1) * source.width] as const;
      const seen = valid.subarray(...where);
      data.forEach((band, c) => rows[c].push(moments(band.subarray(...where), seen, bands[c])));
    }
  }
  return rows.map((band, c) => {
    const [low, high] = ends[c];
    if (low === high) return { mean: low, deviation: 0 };
    const total = band.reduce((sum, { n }) => sum + n, 0);
    const mean = band.reduce((sum, { n, m }) => sum + n * m, 0) / total;
    const spread = band.reduce((sum, { n, m, q }) => sum + q + n * (m - mean) ** 2, 0);
    return { mean, deviation: Math.sqrt(spread / total) };
  });
}

function moments(
  values: Pixels,
  valid: Uint8Array,
  { window, skip }: BandNormalisation,
): { n: number; m: number; q: number } {
  let [n, sum, q] = [0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    if (!valid[i] || values[i] === skip) continue;
    n++;
    sum += clip(values[i], window);
  }
  const m = sum / Math.max(n, 1);
  for (let i = 0; i < values.length; i++) {
    if (valid[i] && values[i] !== skip) q += (clip(values[i], window) - m) ** 2;
  }
  return { n, m, q };
}
