/** TIFF and GeoTIFF, with what says how large a pixel is. */

import { type GeoTIFFImage, fromBlob } from "geotiff";

import { UserError, reading } from "../errors.ts";
import { type PixelSize, type Pixels, type Rows, type Source, isFloat, load, markNodata } from "../source.ts";

const HELD = 2 ** 27; // bytes below which an image is kept, rather than read again for each purpose
const [ALPHAS, PALETTE, YCBCR] = [[1, 2], 3, 6]; // values of the tags ExtraSamples and PhotometricInterpretation
const [REDUCED, MASK] = [1, 4]; // bits of NewSubfileType

/** A raster's bands, as GDAL reads them: transparency and no-data as a mask, a palette as RGB. */
export async function openTiff(file: File): Promise<Source> {
  return reading(file.name, "a TIFF", async () => {
    const { image, mask } = await pagesOf(file);
    const tiff = await Tiff.of(file.name, image, mask);
    const source = tiff.source();
    return image.getBytesPerPixel() * source.width * source.height <= HELD ? held(source) : source;
  });
}

async function held(source: Source): Promise<Source> {
  const withAlpha = source.withAlpha && (await load(source.withAlpha));
  return { ...(await load(source)), withAlpha };
}

async function pagesOf(file: File): Promise<{ image: GeoTIFFImage; mask: GeoTIFFImage | null }> {
  const tiff = await fromBlob(file);
  const pages: GeoTIFFImage[] = [];
  let mask: GeoTIFFImage | null = null;
  for (let i = 0; i < (await tiff.getImageCount()); i++) {
    const page = await tiff.getImage(i);
    const kind = Number(page.fileDirectory.getValue("NewSubfileType") ?? 0);
    if (kind & MASK && !(kind & REDUCED)) mask = page;
    else if (!(kind & (MASK | REDUCED))) pages.push(page);
  }
  if (pages.length !== 1) {
    throw new UserError(`${file.name}: holds ${pages.length} pages; save the page to use as a file of its own`);
  }
  return { image: pages[0], mask };
}

class Tiff {
  private constructor(
    private readonly name: string,
    private readonly image: GeoTIFFImage,
    private readonly mask: GeoTIFFImage | null,
    /** Names of the samples, as far as they have any. */
    private readonly names: string[],
    /** 256 colours of red, green, blue, in 16 bits; null where values are values. */
    private readonly palette: ArrayLike<number> | null,
  ) {}

  static async of(name: string, image: GeoTIFFImage, mask: GeoTIFFImage | null): Promise<Tiff> {
    const samples = Array.from({ length: image.getSamplesPerPixel() }, (_, i) => i);
    const names = await Promise.all(
      samples.map(async (i) => String((await image.getGDALMetadata(i))?.DESCRIPTION ?? "")),
    );
    const indexed = image.fileDirectory.getValue("PhotometricInterpretation") === PALETTE;
    const palette = indexed ? ((await image.fileDirectory.loadValue("ColorMap")) as ArrayLike<number>) : null;
    return new Tiff(name, image, mask, names, palette);
  }

  source(): Source {
    const alpha = this.alpha();
    if (alpha === null) return this.variant(null);
    const named = !["", "alpha"].includes(this.names[alpha].toLowerCase());
    return named ? this.variant(null) : { ...this.variant(alpha), withAlpha: this.variant(null) };
  }

  /** The sample that is transparency. */
  private alpha(): number | null {
    const extra = [...((this.image.fileDirectory.getValue("ExtraSamples") ?? []) as ArrayLike<number> & number[])];
    const at = extra.findIndex((kind) => ALPHAS.includes(kind));
    return at < 0 ? null : this.names.length - extra.length + at;
  }

  private variant(alpha: number | null): Source {
    const names = this.names.filter((_, i) => i !== alpha);
    const named = !this.palette && names.every((name) => name) && new Set(names).size === names.length;
    return {
      name: this.name,
      width: this.image.getWidth(),
      height: this.image.getHeight(),
      count: this.palette ? 3 : names.length,
      kind: this.palette ? new Uint8Array() : (this.image.getArrayForSample(0, 0) as Pixels),
      bands: named ? names : [],
      georeferenced: ["ModelPixelScale", "ModelTransformation", "ModelTiepoint"].some((tag) =>
        this.image.fileDirectory.hasTag(tag as "ModelPixelScale"),
      ),
      pixelSize: pixelSize(this.image),
      read: (first, last) => reading(this.name, "a TIFF", () => this.read(first, last, alpha)),
    };
  }

  private async read(first: number, last: number, alpha: number | null): Promise<Rows> {
    const window = [0, first, this.image.getWidth(), last];
    const { fileDirectory } = this.image;
    const photometric = fileDirectory.getValue("PhotometricInterpretation");
    const options = { window, interleave: false as const };
    const found = photometric === YCBCR ? this.image.readRGB(options) : this.image.readRasters(options);
    const all = [...((await found) as unknown as Pixels[])];
    const valid = new Uint8Array(all[0].length).fill(1);
    if (alpha !== null) valid.forEach((_, i) => (valid[i] = Number(all[alpha][i] > 0)));
    if (this.mask) {
      const [seen] = (await this.mask.readRasters(options)) as unknown as Pixels[];
      valid.forEach((_, i) => (valid[i] &= Number(seen[i] > 0)));
    }
    let data = all.filter((_, i) => i !== alpha);
    const nodata = this.image.getGDALNoData();
    if (this.palette) data = coloured(data[0], this.palette);
    else if (nodata !== null) markNodata({ data, valid }, nodata);
    for (const band of data) {
      if (isFloat(band)) for (let i = 0; i < band.length; i++) if (!Number.isFinite(band[i])) valid[i] = 0;
    }
    return { data, valid };
  }
}

/** TIFF gives all reds, then all greens, then all blues, in 16 bits. */
function coloured(indices: Pixels, palette: ArrayLike<number>): Pixels[] {
  const length = palette.length / 3;
  return [0, 1, 2].map((k) => Uint8Array.from(indices, (index) => palette[k * length + index] >> 8));
}

/** Edges of a pixel in metres, where the file's map is in a unit of length that it names. */
function pixelSize(image: GeoTIFFImage): PixelSize | null {
  const keys = image.getGeoKeys();
  const metres = { 9001: 1, 9002: 0.3048, 9003: 1200 / 3937 }[Number(keys?.ProjLinearUnitsGeoKey)];
  if (keys?.GTModelTypeGeoKey !== 1 || metres === undefined) return null;
  const t = image.fileDirectory.getValue("ModelTransformation") as number[] | undefined;
  const scale = image.fileDirectory.getValue("ModelPixelScale") as number[] | undefined;
  if (!t && !scale) return null;
  const [x, y] = t ? [Math.hypot(t[0], t[4]), Math.hypot(t[1], t[5])] : [scale![0], scale![1]];
  return { x: Math.abs(x) * metres, y: Math.abs(y) * metres, unit: "m" };
}
