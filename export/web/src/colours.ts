/** How an image and its label maps look. */

import { type ClassSpec, IGNORE } from "./contract.ts";
import { bandPercentiles } from "./normalise.ts";
import { type Rows, type Source, isFloat } from "./source.ts";

/** Names of classes that are what is left over, and would hide the image if they were painted. */
const REST = /^(background|back ?ground|bg|void|none|nothing|other|unlabell?ed|clutter)$/i;

/** Whether a class is shown before anybody asks. */
export function shownAtFirst({ name }: ClassSpec): boolean {
  return !REST.test(name.trim());
}

export interface Classes {
  classes: ClassSpec[];
  visible: boolean[];
  /** Whether there is a layer per class, since they may overlap. */
  overlapping: boolean;
}

/** Which bands are shown as red, green and blue, and the values that are black and full. */
export interface Look {
  bands: number[];
  ranges: [number, number][];
}

/** Eight bits are shown as they are; other values from their 1st to their 99th percentile. */
export async function lookOf(source: Source): Promise<Look> {
  const names = source.bands.map((name) => name.toLowerCase());
  const named = ["red", "green", "blue"].map((name) => names.indexOf(name));
  const usual = source.count >= 3 ? [0, 1, 2] : [0, 0, 0];
  const bands = named.includes(-1) ? usual : named;
  const ranges = new Map<number, [number, number]>();
  for (const band of new Set(bands)) {
    const asIs = source.kind instanceof Uint8Array;
    ranges.set(band, asIs ? [0, 255] : await percentilesOf(source, band));
  }
  return { bands, ranges: bands.map((band) => ranges.get(band) as [number, number]) };
}

async function percentilesOf(source: Source, band: number): Promise<[number, number]> {
  const [low, high] = await bandPercentiles(source, band, { low: 1, high: 99, window: null, skip: null });
  if (low < high) return [low, high];
  return isFloat(source.kind) ? [low - 0.5, low + 0.5] : [low - 1, low + 1];
}

/** Every `step`-th pixel of every `step`-th row as red, green, blue; no data is a light grey. */
export function shown({ data, valid }: Rows, width: number, step: number, look: Look): Uint8Array {
  const rows = Math.ceil(valid.length / width / step);
  const columns = Math.ceil(width / step);
  const rgb = new Uint8Array(3 * rows * columns);
  const [scales, lows] = [look.ranges.map(([low, high]) => 255 / (high - low)), look.ranges.map(([low]) => low)];
  for (let y = 0, to = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, to += 3) {
      const at = y * step * width + x * step;
      for (let k = 0; k < 3; k++) {
        const value = (data[look.bands[k]][at] - lows[k]) * scales[k];
        rgb[to + k] = valid[at] ? Math.min(255, Math.max(0, Math.round(value))) : 200;
      }
    }
  }
  return rgb;
}

/**
 * The colours (red, green, blue, opacity 0 or 255) of label maps (layers x pixels).
 *
 * Where classes overlap, one layer each, the last one shown lies on top.
 */
export function painted(labels: Uint8Array, look: Classes): Uint8ClampedArray<ArrayBuffer> {
  const layers = look.overlapping ? look.classes.length : 1;
  const size = labels.length / layers;
  const rgba = new Uint8ClampedArray(4 * size);
  for (let layer = 0; layer < layers; layer++) {
    for (let i = 0; i < size; i++) {
      const label = labels[layer * size + i];
      if (label === IGNORE || (look.overlapping && label === 0)) continue;
      const k = look.overlapping ? layer : label;
      if (!look.visible[k]) continue;
      const [red, green, blue] = look.classes[k].colour;
      rgba[4 * i] = red;
      rgba[4 * i + 1] = green;
      rgba[4 * i + 2] = blue;
      rgba[4 * i + 3] = 255;
    }
  }
  return rgba;
}

/** The picture with the classes over it, as red, green, blue. */
export function blended(rgb: Uint8Array, rgba: Uint8ClampedArray, opacity: number): Uint8Array {
  const mixed = rgb.slice();
  for (let i = 0; i < rgb.length / 3; i++) {
    if (!rgba[4 * i + 3]) continue;
    for (let k = 0; k < 3; k++) {
      const [under, over] = [rgb[3 * i + k], rgba[4 * i + k]];
      mixed[3 * i + k] = Math.round(under + (over - under) * opacity);
    }
  }
  return mixed;
}
