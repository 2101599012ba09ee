/** From logits to labels. */

import type { Logits } from "./blending.ts";
import { type Contract, channels } from "./contract.ts";

/** A part of the rows of `Logits`. */
export interface Block {
  row: number;
  column: number;
  height: number;
  width: number;
}

/** How many label maps an image gets: one of the most probable class, or one per class that may overlap. */
export function layers({ data }: Contract): number {
  return data.multilabel ? data.classes.length : 1;
}

/** Labels (layers x height x width): the most probable class, or 0 and 1 per class if classes overlap. */
export function labelsOf(logits: Logits, contract: Contract, block: Block): Uint8Array {
  const count = channels(contract);
  const size = block.height * block.width;
  const labels = new Uint8Array(layers(contract) * size);
  const { values, plane, stride } = logits;
  for (let y = 0, to = 0; y < block.height; y++) {
    const first = (block.row + y) * stride + block.column;
    for (let x = 0; x < block.width; x++, to++) {
      if (contract.activation === "sigmoid") {
        for (let k = 0; k < count; k++) labels[k * size + to] = Number(values[k * plane + first + x] > 0);
        continue;
      }
      let [best, highest] = [0, values[first + x]];
      for (let k = 1; k < count; k++) {
        const candidate = values[k * plane + first + x];
        if (candidate > highest) [best, highest] = [k, candidate];
      }
      labels[to] = best;
    }
  }
  return labels;
}
