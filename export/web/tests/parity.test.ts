// Everything here was computed by the Python runtime: python -m tests.web.parity > export/web/tests/parity.json

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

import { selectBands } from "../src/bands.ts";
import { channels, readContract } from "../src/contract.ts";
import { UserError } from "../src/errors.ts";
import { rescale, scaleOf } from "../src/normalise.ts";
import { checksum, externalFile, metadata } from "../src/protobuf.ts";
import { percentiles } from "../src/ranks.ts";
import { segment } from "../src/segment.ts";
import { type Pixels, type Source, held } from "../src/source.ts";
import { axisWeights, mirrored, starts } from "../src/windows.ts";

interface Case {
  contract: string;
  kind: string;
  shape: number[];
  values: (number | null)[][];
  valid: number[];
  shift: number[];
  divisor: number[];
  normalised: number[][];
  labels: number[];
}
interface Parity {
  starts: [number, number, number, number[]][];
  weights: [number, number, number, string, number[][]][];
  mirrored: [number, number, number[]][];
  percentiles: [string, number[], number[], number[]][];
  segment: Case[];
  contracts: [string, string | null][];
  model: { bytes: string; metadata: Record<string, string>; checksum: string };
  external: { bytes: string; location: string };
}

const parity = JSON.parse(readFileSync(new URL("parity.json", import.meta.url), "utf8")) as Parity;

function array(kind: string, values: (number | null)[]): Pixels {
  const name = `${kind[0].toUpperCase()}${kind.slice(1)}Array`.replace("Ui", "UI").replace("UInt", "Uint");
  const made = (globalThis as unknown as Record<string, { from(v: number[]): Pixels }>)[name];
  return made.from(values.map((value) => value ?? NaN));
}

function source({ kind, shape, values, valid }: Case): Source {
  const data = values.map((band) => array(kind, band));
  return {
    name: "image.tif",
    width: shape[2],
    height: shape[1],
    count: shape[0],
    kind: data[0].subarray(0, 0),
    bands: [],
    georeferenced: true,
    pixelSize: null,
    read: held({ data, valid: Uint8Array.from(valid) }, shape[2]),
  };
}

/** As `network` in tests/web/parity.py. */
function network(count: number) {
  return async (x: Float32Array, [, bands, height, width]: number[]): Promise<Float32Array> => {
    const size = height * width;
    return Float32Array.from({ length: count * size }, (_, at) => {
      const [k, pixel] = [Math.floor(at / size), at % size];
      const ramp = ((7 * Math.floor(pixel / width) + 3 * (pixel % width) + 5 * k) % 11) / 11 - 0.5;
      return x[pixel] * (k + 1) - (x[(bands - 1) * size + pixel] * k * k) / 2 + ramp;
    });
  };
}

describe("windows", () => {
  test.each(parity.starts)("of an axis of %i, tile %i, overlap %f begin there", (size, tile, overlap, wanted) => {
    expect(starts(size, tile, overlap)).toEqual(wanted);
  });

  test.each(parity.weights)("of %i by %i, overlap %f count as in %s", (size, tile, overlap, blend, wanted) => {
    const found = axisWeights(size, tile, overlap, blend);
    found.forEach((window, i) => window.forEach((w, j) => expect(w).toBeCloseTo(wanted[i][j], 12)));
    expect(found.length).toBe(wanted.length);
  });

  test.each(parity.mirrored)("of %i pixels are mirrored to %i", (size, wanted, pixels) => {
    expect([...mirrored(size, wanted).from]).toEqual(pixels);
  });
});

test.each(parity.percentiles)("percentiles of %s are exact", async (kind, values, wanted, found) => {
  const pixels = array(kind, values);
  async function* chunks(): AsyncGenerator<Pixels> {
    yield pixels.subarray(0, 20);
    yield pixels.subarray(20);
  }
  const ours = await percentiles(chunks, pixels, wanted);
  ours.forEach((value, i) => expect(Math.abs(value - found[i])).toBeLessThanOrEqual(1e-12 * Math.abs(found[i])));
});

describe.each(parity.segment)("$kind of $shape", (given) => {
  const contract = readContract(given.contract);
  const { data } = contract;

  test("is normalised to the same numbers", async () => {
    const selected = selectBands(source(given), data.bands, data.nodata);
    const scale = await scaleOf(selected, data.normalisation);
    scale.shift.forEach((value, c) => expect(value).toBeCloseTo(given.shift[c], 9));
    scale.divisor.forEach((value, c) => expect(value).toBeCloseTo(given.divisor[c], 9));
    const rows = await selected.read(0, selected.height);
    rows.data.forEach((band, c) => {
      const x = rescale(band, rows.valid, c, scale);
      x.forEach((value, i) => expect(Math.abs(value - given.normalised[c][i])).toBeLessThan(1e-6));
    });
  });

  test("gets the same labels, a row of tiles at a time", async () => {
    const image = source(given);
    const size = image.width * image.height;
    const found = new Uint8Array(given.labels.length);
    let [row, tiles] = [0, 0];
    const strips = segment(image, contract, network(channels(contract)), async (done, total) => {
      expect(done).toBe(++tiles);
      expect(total).toBeGreaterThanOrEqual(done);
    });
    for await (const { first, last, labels } of strips) {
      expect(first).toBe(row);
      row = last;
      const length = (last - first) * image.width;
      for (let k = 0; k < found.length / size; k++) {
        found.set(labels.subarray(k * length, (k + 1) * length), k * size + first * image.width);
      }
    }
    expect(row).toBe(image.height);
    expect([...found]).toEqual(given.labels);
  });
});

describe("contract", () => {
  const accepted = parity.contracts.filter(([, complaint]) => complaint === null);
  const refused = parity.contracts.filter(([, complaint]) => complaint !== null) as [string, string][];

  test("keeps what it says, NaN and all", () => {
    const { data, metrics, config, overlap } = readContract(accepted[0][0]);
    expect([data.tile, data.spacing, data.unit, data.nodata]).toEqual([[16, 8], [0.5, 0.25], "m", NaN]);
    expect(metrics).toEqual({ "val/dice": 0.5, "val/loss": NaN, "test/max": Infinity });
    expect([config, overlap, data.ignore_index]).toEqual(['a: "NaN" \\ \n', 0.5, -1]);
    expect(readContract(accepted[1][0]).data.target?.bands).toEqual(["ct"]);
  });

  test("of an optional key may lack it", () => {
    const { overlap: _, ...rest } = JSON.parse(accepted[1][0]) as Record<string, unknown>;
    expect(readContract(JSON.stringify(rest)).overlap).toBe(0.25);
  });

  test.each(refused)("%s is refused", (text, complaint) => {
    expect(() => readContract(text)).toThrow(UserError);
    // in the runtime's words, of which the first do without values
    expect(() => readContract(text)).toThrow((/^[\w.]+( [a-z]+){0,2}/.exec(complaint) as RegExpExecArray)[0]);
  });
});

describe("ONNX file", () => {
  const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "base64"));
  const model = bytes(parity.model.bytes);

  test("gives its metadata and the checksum of all else", () => {
    expect(Object.fromEntries(metadata(model))).toEqual(parity.model.metadata);
    expect(checksum(model)).toBe(parity.model.checksum);
    expect(externalFile(model)).toBeNull();
  });

  test("with another weight has another checksum", () => {
    const changed = model.slice();
    changed[changed.findIndex((_, i) => changed[i] === 0x80 && changed[i + 1] === 0x3f)] ^= 1; // of a 1.0f
    expect(checksum(changed)).not.toBe(parity.model.checksum);
  });

  test("names the file beside it that holds its weights", () => {
    expect(externalFile(bytes(parity.external.bytes))).toBe(parity.external.location);
  });

  test("that is cut anywhere within a field is damaged", () => {
    for (const length of [model.length - 1, Math.floor(model.length / 2)]) {
      expect(() => metadata(model.subarray(0, length))).toThrow("do not add up");
    }
    expect(() => metadata(new TextEncoder().encode("no protobuf"))).toThrow("do not add up");
  });
});
