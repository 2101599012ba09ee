/** JPG, GIF, BMP and WebP through the browser's own decoders. */

import { UserError, reading } from "../errors.ts";
import { type Source, held } from "../source.ts";
import { requireSize } from "./png.ts";

/** The first frame as it is seen: EXIF orientation applied, colours as stored, alpha 0 as no data. */
export async function openPicture(file: File): Promise<Source> {
  const bitmap = await reading(file.name, "a picture", () =>
    createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" }),
  );
  const { width, height } = bitmap;
  requireSize(file.name, width, height);
  if (!faithful()) {
    throw new UserError(
      `${file.name}: this browser changes the pixels of pictures to protect against fingerprinting; ` +
        "allow canvas data for this page, or give a PNG or TIFF",
    );
  }
  const canvas = new OffscreenCanvas(width, Math.min(height, 512));
  const context = canvas.getContext("2d", { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D;
  const data = [0, 1, 2].map(() => new Uint8Array(width * height));
  const valid = new Uint8Array(width * height);
  for (let first = 0; first < height; first += canvas.height) {
    const rows = Math.min(canvas.height, height - first);
    context.clearRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, first, width, rows, 0, 0, width, rows);
    const { data: rgba } = context.getImageData(0, 0, width, rows);
    for (let i = 0, to = first * width; i < rgba.length; i += 4, to++) {
      for (let k = 0; k < 3; k++) data[k][to] = rgba[i + k];
      valid[to] = Number(rgba[i + 3] > 0);
    }
  }
  bitmap.close();
  return {
    name: file.name,
    width,
    height,
    count: 3,
    kind: new Uint8Array(),
    bands: [],
    georeferenced: false,
    pixelSize: null,
    read: held({ data, valid }, width),
  };
}

/** Whether a canvas gives back what was drawn; some browsers add noise. */
function faithful(): boolean {
  const context = new OffscreenCanvas(16, 16).getContext("2d") as OffscreenCanvasRenderingContext2D;
  const drawn = new ImageData(16, 16);
  drawn.data.forEach((_, i) => (drawn.data[i] = i % 4 === 3 ? 255 : (i * 37) % 256));
  context.putImageData(drawn, 0, 0);
  const found = context.getImageData(0, 0, 16, 16).data;
  return drawn.data.every((value, i) => value === found[i]);
}
