/** A network over an image of any size, a row of tiles at a time. */

import { selectBands } from "./bands.ts";
import { Blend } from "./blending.ts";
import { checkScale } from "./check.ts";
import { type Contract, IGNORE, channels } from "./contract.ts";
import { labelsOf, layers } from "./decode.ts";
import { rescale, scaleOf } from "./normalise.ts";
import { type Pixels, type Rows, type Source, kindName } from "./source.ts";
import { mirrored } from "./windows.ts";

/** (1, C, H, W) float32 of one tile to its logits (channels x H x W). */
export type Network = (input: Float32Array, shape: number[]) => Promise<Float32Array>;

/** Finished rows of the label maps (layers x rows x width), 255 where there is no data. */
export interface Strip {
  first: number;
  last: number;
  labels: Uint8Array;
}

/**
 * The labels of an image from top to bottom, equal to those of the Python runtime.
 *
 * @param progress Called after each tile with the number done and their total, and awaited; whatever it throws
 *   ends the work.
 */
export async function* segment(
  image: Source,
  contract: Contract,
  network: Network,
  progress: (done: number, total: number) => Promise<void>,
): AsyncGenerator<Strip> {
  const { data } = contract;
  const source = selectBands(image, data.bands, data.nodata);
  await checkScale(source, data);
  const scale = await scaleOf(source, data.normalisation);
  const [height, width] = data.tile;
  const down = mirrored(source.height, height);
  const across = mirrored(source.width, width);
  const size: [number, number] = [down.from.length, across.from.length];
  const blend = new Blend(size, [height, width], contract.overlap, contract.blend, channels(contract));
  const [span, reach] = [Math.min(source.height, height), Math.min(source.width, width)];
  const total = blend.rows.length * blend.columns.length;
  const shape = [1, source.count, height, width];
  let band: Rows | null = null;
  let done = 0;
  for (const [r, start] of blend.rows.entries()) {
    const kept: number = band === null ? 0 : Math.max(0, blend.rows[r - 1] + span - start);
    band = shift(band, await source.read(start + kept, start + span), kept, source, span);
    const x = band.data.map((values, c) => rescale(values, (band as Rows).valid, c, scale));
    for (const [c, left] of blend.columns.entries()) {
      if (anyData(band.valid, source.width, left, reach)) {
        const input = new Float32Array(source.count * height * width);
        x.forEach((values, k) => {
          cut(values, source.width, left, down.from, across.from, input, k * height * width, height, width);
        });
        blend.add(await network(input, shape), r, c);
      }
      await progress(++done, total);
    }
    // where the image lies in the mirrored one
    const first = Math.max(0, start - down.before);
    const last = Math.min(source.height, start + blend.finished(r) - down.before);
    const place = { row: first + down.before - start, column: across.before, height: last - first, width: source.width };
    const labels = labelsOf(blend.logits(), contract, place);
    const valid = band.valid.subarray((first - start) * source.width, (last - start) * source.width);
    for (let layer = 0; layer < layers(contract); layer++) {
      valid.forEach((seen, i) => {
        if (!seen) labels[layer * valid.length + i] = IGNORE;
      });
    }
    yield { first, last, labels };
    blend.advance(r);
  }
}

/** The rows under the next row of tiles: the last `kept` of those before, and new ones. */
function shift(old: Rows | null, more: Rows, kept: number, source: Source, span: number): Rows {
  if (old === null) return { data: more.data.map((band) => band.slice()), valid: more.valid.slice() };
  const from = (span - kept) * source.width;
  const put = <T extends Pixels>(band: T, added: T): void => {
    if (band.constructor !== added.constructor) throw new Error(`rows changed to ${kindName(added)}`);
    band.copyWithin(0, from);
    band.set(added as never, kept * source.width);
  };
  old.data.forEach((band, k) => put(band, more.data[k]));
  put(old.valid, more.valid);
  return old;
}

function anyData(valid: Uint8Array, width: number, left: number, reach: number): boolean {
  for (let first = left; first < valid.length; first += width) {
    if (valid.subarray(first, first + reach).includes(1)) return true;
  }
  return false;
}

/** One band of one tile out of the rows under it, mirrored where the image is smaller than the tile. */
function cut(
  rows: Float32Array,
  width: number,
  left: number,
  down: Int32Array,
  across: Int32Array,
  into: Float32Array,
  offset: number,
  tileHeight: number,
  tileWidth: number,
): void {
  const [tall, wide] = [rows.length / width >= tileHeight, width >= tileWidth];
  for (let y = 0, to = offset; y < tileHeight; y++) {
    const row = (tall ? y : down[y]) * width;
    if (wide) {
      into.set(rows.subarray(row + left, row + left + tileWidth), to);
      to += tileWidth;
    } else {
      for (let x = 0; x < tileWidth; x++, to++) into[to] = rows[row + across[x]];
    }
  }
}
