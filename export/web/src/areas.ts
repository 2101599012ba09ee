/** How much of an image a class covers, in words. */

import type { PixelSize } from "./source.ts";

type Unit = [name: string, perSquare: number];

// from the largest; squares of the unit of length that a pixel's edges are given in
const UNITS: Record<PixelSize["unit"], Unit[]> = {
  m: [["km²", 1e6], ["ha", 1e4], ["m²", 1], ["cm²", 1e-4]],
  mm: [["m²", 1e6], ["cm²", 100], ["mm²", 1], ["µm²", 1e-6]],
};

/** An area in the largest unit of which there is at least one. */
export function areaText(pixels: number, size: PixelSize): string {
  const area = pixels * size.x * size.y;
  const [name, square] = UNITS[size.unit].find(([, each]) => area >= each) ?? [size.unit + "²", 1];
  return `${rounded(area / square)} ${name}`;
}

export function shareText(pixels: number, of: number): string {
  return of === 0 ? "–" : `${((100 * pixels) / of).toFixed(1)} %`;
}

export function grouped(pixels: number): string {
  return pixels.toLocaleString("en").replaceAll(",", "\u202f");
}

/** Three digits that count. */
export function rounded(value: number): string {
  return value >= 1000 ? grouped(Math.round(value)) : String(Number(value.toPrecision(3)));
}

/** The legend as a table for other programs; areas in squares of the unit of the pixel's edges. */
export function csv(names: string[], counts: number[], known: number, size: PixelSize | null): string {
  const quoted = (name: string): string => (/[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);
  const head = ["class", "pixels", "share", ...(size ? [`area_${size.unit}2`] : [])];
  const rows = names.map((name, k) => {
    const area = size ? [counts[k] * size.x * size.y] : [];
    return [quoted(name), counts[k], known ? counts[k] / known : 0, ...area];
  });
  return [head, ...rows].map((row) => `${row.join(",")}\n`).join("");
}
