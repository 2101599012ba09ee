/** Which bands of a file go into the network, by name where the file has names. */

import { UserError } from "./errors.ts";
import { type Rows, type Source, markNodata } from "./source.ts";

// names that only count, as some programs and unetzoo itself give to bands without a name
const COUNTED = /^(band|layer|channel)?[ _-]?\d+$/i;

/**
 * The image with the bands wanted, in their order.
 *
 * Bands are picked by name (upper and lower case alike) if both sides have telling names; otherwise the count
 * must agree. Pictures of one band are repeated for three, and pictures whose three bands are equal give one.
 *
 * @param nodata Value that means no data, in any band of the file; null: none.
 */
export function selectBands(image: Source, wanted: string[], nodata: number | null): Source {
  const source = image.withAlpha?.count === wanted.length ? image.withAlpha : image;
  const order = orderOf(source, wanted);
  const merged = source.count === 3 && wanted.length === 1 && !telling(source.bands);
  return {
    ...source,
    count: order.length,
    bands: wanted,
    async read(first, last) {
      const rows = await source.read(first, last);
      if (merged && !allEqual(rows)) throw otherCount(source, wanted);
      const valid = nodata === null ? rows.valid : rows.valid.slice();
      if (nodata !== null) markNodata({ data: rows.data, valid }, nodata);
      return { data: order.map((i) => rows.data[i]), valid };
    },
  };
}

function orderOf(source: Source, wanted: string[]): number[] {
  if (telling(wanted) && telling(source.bands)) {
    const found = source.bands.map((name) => name.toLowerCase());
    const missing = wanted.filter((name) => !found.includes(name.toLowerCase()));
    if (missing.length) {
      throw new UserError(
        `${source.name}: has the bands ${source.bands.join(", ")} but not ${missing.join(", ")}; ` +
          `wanted are ${wanted.join(", ")}`,
      );
    }
    return wanted.map((name) => found.indexOf(name.toLowerCase()));
  }
  if (source.count === wanted.length) return wanted.map((_, i) => i);
  const picture = !source.georeferenced && [source.count, wanted.length].toSorted().join() === "1,3";
  if (picture) return wanted.map(() => 0);
  throw otherCount(source, wanted);
}

function otherCount(source: Source, wanted: string[]): UserError {
  return new UserError(
    `${source.name}: has ${source.count} band(s) where ${wanted.length} are wanted (${wanted.join(", ")})`,
  );
}

function allEqual({ data: [first, ...others] }: Rows): boolean {
  return others.every((band) => {
    for (let i = 0; i < band.length; i++) if (band[i] !== first[i]) return false;
    return true;
  });
}

function telling(names: string[]): boolean {
  return names.length > 0 && !names.every((name) => COUNTED.test(name));
}
