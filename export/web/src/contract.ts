/** What an exported file promises about its data and its network; schema and keys as in docs/contract.md. */

import { UserError } from "./errors.ts";
import { type Reader, flag, list, number, optional, record, text, values, whole } from "./schema.ts";

export const SCHEMA_VERSION = 1;
export const METADATA_KEY = "unetzoo";
export const CHECKSUM_KEY = "unetzoo.sha256";

/** Id of pixels without data in label maps. */
export const IGNORE = 255;

const BLENDS = ["gaussian", "linear", "constant", "crop"];
const METHODS = ["percentile", "zscore", "minmax", "imagenet", "fixed", "window"];
const ADAPTIVE = ["percentile", "zscore", "minmax"];
const UNITS = ["mm", "m", "deg", "px"];
const ACTIVATIONS = ["softmax", "sigmoid", "none"];

const classSpec = record({ name: text, ids: list(whole), colour: list(whole) });
const ofBand = {
  method: text,
  low: optional(number, 0.5),
  high: optional(number, 99.5),
  mean: optional(list(number), []),
  std: optional(list(number), []),
  window: optional(list(number), null),
  skip: optional(number, null),
};
const bandNormalisation = record(ofBand);
const normalisation = record({ ...ofBand, each: optional(list(bandNormalisation), []) });
const target = record({
  bands: list(text),
  mean: list(number),
  std: list(number),
  value_range: list(number),
  unit: optional(text, ""),
});
const dataSpec = record({
  ndim: whole,
  bands: list(text),
  classes: list(classSpec),
  normalisation,
  tile: list(whole),
  multilabel: optional(flag, false),
  ignore_index: optional(whole, null),
  nodata: optional(number, null),
  spacing: optional(list(number), null),
  unit: optional(text, "px"),
  value_range: optional(list(number), null),
  target: optional(target, null),
});
const quantisation = record({
  precision: text,
  dice_before: number,
  dice_after: number,
  drop: optional(list(number), null),
  cases: whole,
  patches: optional(whole, 0),
  left_out: optional(list(text), []),
});
const cleaning = record({
  index: whole,
  largest: optional(flag, false),
  smallest: optional(whole, 0),
  fill: optional(flag, false),
});
const contract = record({
  name: text,
  data: dataSpec,
  activation: text,
  divisor: list(whole),
  dynamic_size: flag,
  overlap: optional(number, 0.25),
  blend: optional(text, "gaussian"),
  licence: optional(text, ""),
  weights_sha256: optional(text, ""),
  metrics: optional(values(number), {}),
  config: optional(text, ""),
  quantisation: optional(quantisation, null),
  temperature: optional(number, 1),
  cleaning: optional(list(cleaning), []),
});

type Read<T> = T extends Reader<infer V> ? V : never;
export type ClassSpec = Read<typeof classSpec>;
export type BandNormalisation = Read<typeof bandNormalisation>;
export type Normalisation = Read<typeof normalisation>;
export type DataSpec = Read<typeof dataSpec>;
export type Contract = Read<typeof contract>;

/** The contract from the text in a file's metadata; throws a sentence if it is none, or an impossible one. */
export function readContract(json: string): Contract {
  const given = parse(json);
  if (typeof given !== "object" || given === null || Array.isArray(given) || !("schema" in given)) {
    throw new UserError("the contract has no schema version; export the model again with unetzoo");
  }
  const { schema, ...rest } = given as Record<string, unknown>;
  if (schema !== SCHEMA_VERSION) {
    throw new UserError(
      `the contract has schema version ${String(schema)} but this page reads ${SCHEMA_VERSION}; ` +
        "take the page of the unetzoo release that wrote the file, or export the model again",
    );
  }
  const read = contract.read(rest, "contract");
  require(read);
  return read;
}

/** Whether some band goes by statistics of the image itself, so that it may be of any scale. */
export function adaptive(how: Normalisation): boolean {
  return (how.each.length ? how.each : [how]).some(({ method }) => ADAPTIVE.includes(method));
}

/** How many logits the network gives per pixel. */
export function channels({ activation, data }: Contract): number {
  if (activation === "sigmoid" && !data.multilabel) return 1;
  return data.target ? data.target.bands.length : data.classes.length;
}

/** Python writes NaN and infinities, which JSON does not know. */
function parse(json: string): unknown {
  const marked = json.replace(/"(?:[^"\\]|\\.)*"|NaN|-?Infinity/g, (found) =>
    found.startsWith('"') ? found : `{"$number":"${found}"}`,
  );
  try {
    return JSON.parse(marked, (_, value: unknown) => {
      const special = typeof value === "object" && value !== null && "$number" in value;
      return special ? Number((value as { $number: string }).$number) : value;
    });
  } catch (error) {
    throw new UserError(`the contract is not JSON (${(error as Error).message})`);
  }
}

function require(contract: Contract): void {
  const { data, activation, divisor, overlap, blend } = contract;
  const { normalisation: how, classes, bands, tile } = data;
  requireNormalisation(how);
  if (data.ndim !== 2 && data.ndim !== 3) {
    throw new UserError(`ndim is ${data.ndim}; images are 2D or 3D`);
  }
  if (tile.length !== data.ndim || Math.min(...tile) < 1) {
    throw new UserError(`tile [${tile.join(", ")}] must be ${data.ndim} positive sizes for ${data.ndim}D data`);
  }
  if (!bands.length || new Set(bands).size !== bands.length) {
    throw new UserError(`bands [${bands.join(", ")}] must be at least one name, each named once`);
  }
  if (data.target && (classes.length || data.multilabel)) {
    throw new UserError("data has classes or a target image; drop data.classes and data.multilabel");
  }
  if (!data.target && (classes.length < 1 || classes.length >= IGNORE)) {
    throw new UserError(`${classes.length} classes; a label map holds between 1 and ${IGNORE - 1}`);
  }
  for (const { name, colour } of classes) {
    if (colour.length !== 3 || !colour.every((value) => 0 <= value && value <= 255)) {
      throw new UserError(`class ${name}: colour [${colour.join(", ")}] is not three numbers from 0 to 255`);
    }
  }
  const names = classes.map((c) => c.name);
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) {
    throw new UserError(`class names must differ; ${repeated} is given more than once`);
  }
  oneOf("unit", data.unit, UNITS);
  const counts: Record<string, number> = { fixed: how.mean.length, imagenet: 3, each: how.each.length };
  const wanted = counts[how.method] ?? bands.length;
  if (wanted !== bands.length) {
    throw new UserError(
      `normalisation '${how.method}' is for ${wanted} bands; the data has ${bands.length}`,
    );
  }
  oneOf("activation", activation, ACTIVATIONS);
  if ((activation === "none") !== (data.target !== null)) {
    throw new UserError(
      `activation '${activation}' does not go with data that has ${data.target ? "a target image" : "classes"}; ` +
        "none is for target images, softmax and sigmoid are for classes",
    );
  }
  if (activation === "softmax" && (data.multilabel || classes.length < 2)) {
    throw new UserError("softmax needs two or more classes that exclude each other; use sigmoid");
  }
  if (activation === "sigmoid" && !data.multilabel && classes.length !== 2) {
    throw new UserError(`sigmoid without multilabel separates two classes; the data has ${classes.length}`);
  }
  if (divisor.length !== data.ndim || Math.min(...divisor) < 1) {
    throw new UserError(`divisor [${divisor.join(", ")}] must be ${data.ndim} positive numbers`);
  }
  if (!(0 <= overlap && overlap < 1)) {
    throw new UserError(`overlap is a fraction of the tile, at least 0 and below 1; given ${overlap}`);
  }
  oneOf("blend", blend, BLENDS);
}

function requireNormalisation(how: Normalisation): void {
  if ((how.method === "each") !== how.each.length > 0) {
    throw new UserError("a list of one normalisation per band goes with the method 'each', and it alone");
  }
  (how.each.length ? how.each : [how]).forEach(requireBand);
  for (const { method, mean } of how.each) {
    if (method === "imagenet" || (method === "fixed" && mean.length !== 1)) {
      throw new UserError(
        `normalisation '${method}' of a single band needs one mean and one std; write it as fixed with these`,
      );
    }
  }
}

function requireBand(how: BandNormalisation): void {
  oneOf("normalisation method", how.method, METHODS);
  if (!(0 <= how.low && how.low < how.high && how.high <= 100)) {
    throw new UserError(`percentiles low=${how.low}, high=${how.high} must satisfy 0 <= low < high <= 100`);
  }
  const given = how.mean.length && how.mean.length === how.std.length && Math.min(...how.std) > 0;
  if (how.method === "fixed" && !given) {
    throw new UserError(
      "fixed normalisation needs a mean and a positive std for each band; " +
        `given [${how.mean.join(", ")}] and [${how.std.join(", ")}]`,
    );
  }
  if (how.method === "window" && how.window === null) {
    throw new UserError("window normalisation needs a window, such as [-160, 240]");
  }
  if (how.window && !(how.window.length === 2 && how.window[0] < how.window[1])) {
    throw new UserError(`the window [${how.window.join(", ")}] of a normalisation must go upwards`);
  }
}

function oneOf(what: string, value: string, known: readonly string[]): void {
  if (!known.includes(value)) {
    throw new UserError(`${what} '${value}' is unknown; choose one of ${known.join(", ")}`);
  }
}
