/** An image that is read a few rows at a time, whatever its file's format. */

export type Pixels =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

/** A piece of an image over its whole width: bands of (rows x width), and 1 where all have data. */
export interface Rows {
  data: Pixels[];
  valid: Uint8Array;
}

/** Edges of a pixel in a unit of length. */
export interface PixelSize {
  x: number;
  y: number;
  unit: "m" | "mm";
}

export interface Source {
  name: string;
  width: number;
  height: number;
  /** Number of bands. */
  count: number;
  /** Of the pixels, an array of length zero. */
  kind: Pixels;
  /** Names of the bands found in the file, else none. */
  bands: string[];
  /** Whether the file says where on the Earth it lies. */
  georeferenced: boolean;
  pixelSize: PixelSize | null;
  /** The same image where its last band is data, not transparency, as scenes of four bands are often marked. */
  withAlpha?: Source;
  read(first: number, last: number): Promise<Rows>;
}

const PIECE = 2 ** 24; // bytes that are read at a time where any number would do

/** The image from top to bottom, in pieces of some megabytes. */
export async function* pieces(source: Source): AsyncGenerator<{ first: number; last: number } & Rows> {
  const step = Math.max(1, Math.floor(PIECE / (8 * source.count * source.width)));
  for (let first = 0; first < source.height; first += step) {
    const last = Math.min(first + step, source.height);
    yield { first, last, ...(await source.read(first, last)) };
  }
}

/** Rows of an image that is in memory. */
export function held({ data, valid }: Rows, width: number): Source["read"] {
  return async (first, last) => ({
    data: data.map((band) => band.subarray(first * width, last * width)),
    valid: valid.subarray(first * width, last * width),
  });
}

/** All of an image, in memory. */
export async function load(source: Source): Promise<Source> {
  return { ...source, read: held(await source.read(0, source.height), source.width) };
}

export function isFloat(kind: Pixels): boolean {
  return kind instanceof Float32Array || kind instanceof Float64Array;
}

/** The kind of numbers by its usual name, such as uint16. */
export function kindName(kind: Pixels): string {
  return kind.constructor.name.replace("Array", "").toLowerCase();
}

/**
 * Mark as invalid what the value `nodata` says was not measured.
 *
 * A filler such as -9999 counts in any band. Zero, and any value of 8-bit data, are also measured and count
 * only where all bands agree, as in GDAL's masks.
 */
export function markNodata({ data, valid }: Rows, nodata: number): void {
  const filler = data[0] instanceof Float32Array ? Math.fround(nodata) : nodata;
  const ordinary = nodata === 0 || data[0].BYTES_PER_ELEMENT === 1;
  for (let i = 0; i < valid.length; i++) {
    let fillers = 0;
    for (const band of data) if (band[i] === filler) fillers++;
    if (ordinary ? fillers === data.length : fillers > 0) valid[i] = 0;
  }
}
