/** Overlapping windows over an image of any size, and the weights that blend them without seams. */

/**
 * First pixels of the windows along one axis, spread evenly, so that the last one ends at the border.
 *
 * Neighbours share at least `overlap` (a fraction of the tile). An axis shorter than the tile has one window.
 */
export function starts(size: number, tile: number, overlap: number): number[] {
  if (size <= tile) return [0];
  const step = Math.max(1, Math.trunc(tile * (1 - overlap)));
  const count = Math.ceil((size - tile) / step) + 1;
  return Array.from({ length: count }, (_, i) => roundHalfEven((i * (size - tile)) / (count - 1)));
}

/** Weights of each window along one axis, of at least a tile; where windows overlap they sum to one. */
export function axisWeights(size: number, tile: number, overlap: number, blend: string): Float64Array[] {
  const first = starts(size, tile, overlap);
  if (blend === "crop") {
    // the middles of the overlaps; a window keeps what lies between two of them
    const middles = first.slice(1).map((b, i) => Math.floor((first[i] + tile + b) / 2));
    const cuts = [0, ...middles, size];
    return first.map((start, i) =>
      Float64Array.from({ length: tile }, (_, j) => Number(start + j >= cuts[i] && start + j < cuts[i + 1])),
    );
  }
  const window = Float64Array.from({ length: tile }, (_, j) => {
    const centred = Math.abs(j - (tile - 1) / 2);
    // nnU-Net's sigma; at the border the weight is exp(-8), small but never zero
    if (blend === "gaussian") return Math.exp(-0.5 * (centred / (tile / 8)) ** 2);
    return blend === "linear" ? (tile + 1) / 2 - centred : 1;
  });
  const summed = new Float64Array(size);
  for (const start of first) window.forEach((value, j) => (summed[start + j] += value));
  return first.map((start) => window.map((value, j) => value / summed[start + j]));
}

/** Where an axis of `size` pixels lies in a longer one of `wanted`, and the pixel that each of that mirrors. */
export function mirrored(size: number, wanted: number): { before: number; from: Int32Array } {
  const before = Math.floor(Math.max(0, wanted - size) / 2);
  const from = Int32Array.from({ length: Math.max(size, wanted) }, (_, i) => {
    const at = (((i - before) % (2 * size)) + 2 * size) % (2 * size);
    return at < size ? at : 2 * size - 1 - at;
  });
  return { before, from };
}

/** As Python rounds, so that windows lie where the Python runtime's do. */
function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}
