/** Whether an image is of the kind a model was trained on, before it gives a confident wrong answer. */

import { type DataSpec, adaptive } from "./contract.ts";
import { UserError } from "./errors.ts";
import { extremes } from "./normalise.ts";
import { type Pixels, type Source, isFloat, kindName } from "./source.ts";

/** Apart, in the largest values of image and training images, is no longer chance but another scale. */
const TIMES = 20;

/**
 * Refuse an image whose scale contradicts the training's, where the normalisation does not adapt to it.
 *
 * With the largest absolute value of the image and that of the training images, it contradicts if the image's
 * is more than 20 times larger, or more than 20 times smaller and the image is not just dark: floats of a range
 * up to 1 where training went beyond 20, or integers of a type that ends below a twentieth of the training
 * value. Other integers are trusted.
 */
export async function checkScale(source: Source, { normalisation, value_range }: DataSpec): Promise<void> {
  if (adaptive(normalisation) || value_range === null) return;
  const methods = (normalisation.each.length ? normalisation.each : [normalisation]).map((how) => how.method);
  const trained = Math.max(...value_range.map(Math.abs));
  const bound = largest(source.kind);
  if (!isFloat(source.kind) && bound < trained * TIMES && trained * TIMES <= bound * TIMES ** 2) return;
  const ends = await extremes(source);
  const peak = Math.max(0, ...ends.flat().map(Math.abs));
  const onlyDark = isFloat(source.kind) ? peak > 1 || trained <= TIMES : bound * TIMES >= trained;
  if (peak > trained * TIMES || (peak > 0 && peak * TIMES < trained && !onlyDark)) {
    throw new UserError(
      `${source.name}: values reach ${peak} (${kindName(source.kind)}) where those of the training images ` +
        `reached ${trained}, more than ${TIMES} times apart, and the model's normalisation ` +
        `'${[...new Set(methods)].join(", ")}' is not adapted to the image; bring it to their scale`,
    );
  }
}

function largest(kind: Pixels): number {
  if (isFloat(kind)) return Infinity;
  const bits = 8 * kind.BYTES_PER_ELEMENT;
  return 2 ** (kind.constructor.name.startsWith("U") ? bits : bits - 1) - 1;
}
