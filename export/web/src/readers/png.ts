/** PNG in its own depth; a canvas would drop the lower eight of 16 bits and change transparent pixels. */

import { type DecodedPng, decode } from "fast-png";

import { UserError, reading } from "../errors.ts";
import { type Pixels, type Source, held } from "../source.ts";

/** Pixels of a picture beyond which it is refused, as by Pillow: few files of that size are honest. */
export const MOST_PIXELS = 2 * 89_478_485;

export async function openPng(file: File): Promise<Source> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const [width, height] = await reading(file.name, "a picture", () => sizeOf(bytes));
  requireSize(file.name, width, height);
  const { data, alpha } = await reading(file.name, "a picture", () => {
    const png = decode(bytes);
    return png.palette ? fromPalette(png) : fromSamples(png);
  });
  const everywhere = new Uint8Array(width * height).fill(1);
  const source = (bands: Pixels[], valid: Uint8Array): Source => ({
    name: file.name,
    width,
    height,
    count: bands.length,
    kind: bands[0].subarray(0, 0),
    bands: [],
    georeferenced: false,
    pixelSize: null,
    read: held({ data: bands, valid }, width),
  });
  if (alpha === null) return source(data, everywhere);
  const picture = source(data, Uint8Array.from(alpha, (value) => Number(value > 0)));
  return data[0] instanceof Uint16Array ? { ...picture, withAlpha: source([...data, alpha], everywhere) } : picture;
}

export function requireSize(name: string, width: number, height: number): void {
  if (width * height > MOST_PIXELS) {
    throw new UserError(`${name}: ${width} x ${height} pixels are too many for a picture; store it as a tiled TIFF`);
  }
}

interface Samples {
  data: Pixels[];
  alpha: Pixels | null;
}

function sizeOf(bytes: Uint8Array): [number, number] {
  if (bytes.length < 26) throw new Error("it ends in its header");
  const view = new DataView(bytes.buffer);
  return [view.getUint32(16), view.getUint32(20)];
}

function fromPalette(png: DecodedPng): Samples {
  const palette = png.palette as number[][];
  const indices = unpacked(png);
  const bands = [0, 1, 2, 3].map((k) => {
    const table = Uint8Array.from({ length: 256 }, (_, i) => palette[i]?.[k] ?? (k === 3 ? 255 : 0));
    return Uint8Array.from(indices, (index) => table[index]);
  });
  const transparent = palette.some((colour) => colour.length > 3);
  return { data: bands.slice(0, 3), alpha: transparent ? bands[3] : null };
}

function fromSamples(png: DecodedPng): Samples {
  const values = png.depth < 8 ? unpacked(png) : png.data;
  const size = png.width * png.height;
  const deep = png.depth === 16;
  const bands = Array.from({ length: png.channels }, (_, k) => {
    const band = deep ? new Uint16Array(size) : new Uint8Array(size);
    for (let i = 0; i < size; i++) band[i] = values[i * png.channels + k];
    return band;
  });
  const key = png.transparency;
  let alpha: Pixels | null = null;
  if (key?.length) {
    alpha = new Uint8Array(size);
    for (let i = 0; i < size; i++) alpha[i] = Number(!bands.every((band, k) => band[i] === key[k]));
  } else if (png.channels % 2 === 0) {
    alpha = bands.pop() as Pixels;
  }
  if (png.depth < 8) {
    // grey levels of fewer bits, spread over 0..255
    for (const band of bands) band.forEach((value, i) => (band[i] = (value * 255) / (2 ** png.depth - 1)));
  }
  return { data: bands, alpha };
}

/** One number per sample, of rows whose samples share bytes. */
function unpacked({ data, width, height, depth, channels }: DecodedPng): Pixels {
  if (depth >= 8) return data as Pixels;
  const across = width * channels;
  const stride = Math.ceil((across * depth) / 8);
  const found = new Uint8Array(across * height);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < across; x++, to++) {
      const bit = x * depth;
      found[to] = (data[y * stride + (bit >> 3)] >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
    }
  }
  return found;
}
