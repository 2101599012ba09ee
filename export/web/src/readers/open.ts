/** An image file, whatever its format. */

import { UserError } from "../errors.ts";
import type { Source } from "../source.ts";
import { openPicture } from "./picture.ts";
import { openPng } from "./png.ts";
import { openTiff } from "./tiff.ts";

export const ENDINGS = [".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".gtif", ".gtiff"];

/** The image, decoded whole where its format has no other way. */
export async function openImage(file: File): Promise<Source> {
  const ending = file.name.slice(file.name.lastIndexOf(".")).toLowerCase();
  if (!ENDINGS.includes(ending)) {
    throw new UserError(
      `${file.name}: the ending '${ending}' is unknown; readable are ${ENDINGS.join(", ")}`,
    );
  }
  if (file.size === 0) throw new UserError(`${file.name}: the file is empty`);
  if (ending === ".png") return openPng(file);
  return ending.includes("tif") ? openTiff(file) : openPicture(file);
}
