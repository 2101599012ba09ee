/** Sums of overlapping windows, a row of tiles at a time, over an image that nobody holds. */

import { axisWeights, starts } from "./windows.ts";

/** Finished rows of logits: channel k of the pixel at (row, column) is at `k * plane + row * stride + column`. */
export interface Logits {
  values: Float32Array;
  plane: number;
  stride: number;
}

/**
 * Weighted sums of the windows of one image, in row-major order.
 *
 * What it holds is one row of tiles over the image's width, whatever the image's height: the rows that no later
 * window reaches are handed out, and the overlap moves up.
 */
export class Blend {
  readonly rows: number[];
  readonly columns: number[];
  private readonly rowWeights: Float64Array[];
  private readonly columnWeights: Float64Array[];
  private readonly sums: Float32Array;
  private readonly plane: number;

  /** Of an image of at least a tile, [height, width]. */
  constructor(
    private readonly size: [number, number],
    private readonly tile: [number, number],
    overlap: number,
    blend: string,
    private readonly channels: number,
  ) {
    const [height, width] = size;
    this.rows = starts(height, tile[0], overlap);
    this.columns = starts(width, tile[1], overlap);
    this.rowWeights = axisWeights(height, tile[0], overlap, blend);
    this.columnWeights = axisWeights(width, tile[1], overlap, blend);
    this.plane = tile[0] * width;
    this.sums = new Float32Array(channels * this.plane);
  }

  /** The network's answer (channels x tile) to the window in row `r` and column `c` of the tiles. */
  add(logits: Float32Array, r: number, c: number): void {
    const [height, width] = this.tile;
    const [down, across] = [this.rowWeights[r], this.columnWeights[c]];
    for (let k = 0, from = 0; k < this.channels; k++) {
      for (let y = 0; y < height; y++) {
        const to = k * this.plane + y * this.size[1] + this.columns[c];
        for (let x = 0; x < width; x++, from++) {
          this.sums[to + x] += Math.fround(logits[from] * Math.fround(down[y] * across[x]));
        }
      }
    }
  }

  /** How many rows no later window reaches, once row `r` of the tiles is added; they begin at its start. */
  finished(r: number): number {
    return r + 1 < this.rows.length ? this.rows[r + 1] - this.rows[r] : this.tile[0];
  }

  /** The rows of the present row of tiles, until the next `advance`. */
  logits(): Logits {
    return { values: this.sums, plane: this.plane, stride: this.size[1] };
  }

  /** Move the overlap with the next row of tiles up. */
  advance(r: number): void {
    const done = this.finished(r) * this.size[1];
    for (let k = 0; k < this.channels; k++) {
      const channel = this.sums.subarray(k * this.plane, (k + 1) * this.plane);
      channel.copyWithin(0, done);
      channel.fill(0, this.plane - done);
    }
  }
}
