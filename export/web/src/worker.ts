/** Everything that takes time: reading, predicting and saving, beside the page. */

import { type Classes, type Look, blended, lookOf, painted, shown } from "./colours.ts";
import { IGNORE } from "./contract.ts";
import { layers } from "./decode.ts";
import { UserError, firstLine } from "./errors.ts";
import { type Loaded, type Model, loadNetwork, readModel } from "./network.ts";
import { writePng } from "./png.ts";
import { type Ask, type Tell, factsOf } from "./protocol.ts";
import { openImage } from "./readers/open.ts";
import { segment } from "./segment.ts";
import { type Source, kindName, pieces } from "./source.ts";

const SHOWN = 2 ** 24; // pixels of a picture on the screen; larger images are shown smaller
const MOST = 2 ** 30; // pixels of a label map that a browser still holds

class Cancelled extends Error {}

let model: Model | null = null;
let network: { model: Model; gpu: boolean; loaded: Loaded } | null = null;
let image: { source: Source; look: Look; step: number } | null = null;
/** Label maps (layers x height x width) of the image by the model. */
let result: { labels: Uint8Array; model: Model } | null = null;
let cancelled = false;

const say = (tell: Tell, transfer: Transferable[] = []): void => {
  (self as unknown as Worker).postMessage(tell, transfer);
};

// one after the other, but for "cancel", which is for what is under way
let work: Promise<void> = Promise.resolve();
self.onmessage = ({ data: ask }: MessageEvent<Ask>) => {
  if (ask.kind === "cancel") cancelled = true;
  else work = work.then(() => handle(ask));
};

async function handle(ask: Ask): Promise<void> {
  try {
    if (ask.kind === "model") await takeModel(ask.file);
    else if (ask.kind === "image") await takeImage(ask.file);
    else if (ask.kind === "run") await run(ask.gpu);
    else if (ask.kind === "save") await save(ask.what, ask.visible, ask.opacity);
  } catch (error) {
    if (error instanceof Cancelled) say({ kind: "cancelled" });
    else say({ kind: "failed", asked: ask.kind, message: worded(error) });
  }
}

function worded(error: unknown): string {
  if (error instanceof UserError) return error.message;
  if (error instanceof RangeError) {
    return `this takes more memory than the browser gives (${firstLine(error)}); use unetzoo-infer`;
  }
  return `something unexpected went wrong (${firstLine(error)})`;
}

async function takeModel(file: File): Promise<void> {
  model = await readModel(file.name, new Uint8Array(await file.arrayBuffer()));
  result = null;
  say({ kind: "model", ...factsOf(model.name, model.contract, model.verified) });
}

async function takeImage(file: File): Promise<void> {
  image = result = null;
  const source = await openImage(file);
  const { width, height, count, kind, georeferenced, pixelSize } = source;
  if (width * height > MOST) {
    throw new UserError(`${file.name}: ${width} x ${height} pixels are too many for a browser; use unetzoo-infer`);
  }
  const step = Math.ceil(Math.sqrt((width * height) / SHOWN));
  const names = source.bands.length ? ` (${source.bands.join(", ")})` : "";
  const content = `${count} ${count === 1 ? "band" : "bands"}${names}, ${kindName(kind)}`;
  image = { source, look: await lookOf(source), step };
  say({ kind: "image", name: file.name, width, height, content, georeferenced, pixelSize, step });
  for await (const { first, last, data, valid } of pieces(source)) {
    // pieces of a large image need not begin at a row that is shown
    const skip = (step - (first % step)) % step;
    if (first + skip >= last) continue;
    const from = skip * width;
    const rows = { data: data.map((band) => band.subarray(from)), valid: valid.subarray(from) };
    const rgb = shown(rows, width, step, image.look);
    say({ kind: "picture", first: (first + skip) / step, rgb }, [rgb.buffer as ArrayBuffer]);
  }
}

async function run(gpu: boolean): Promise<void> {
  if (!model || !image) throw new UserError("give a model and an image first");
  cancelled = false;
  result = null;
  if (network?.model !== model || network.gpu !== gpu) {
    await network?.loaded.release();
    network = null;
    network = { model, gpu, loaded: await loadNetwork(model, gpu) };
  }
  const { device, note, run: answer } = network.loaded;
  say({ kind: "started", device, note });
  const { source, step } = image;
  const { contract } = model;
  const count = layers(contract);
  const size = source.width * source.height;
  const labels = new Uint8Array(count * size);
  const counts = contract.data.classes.map(() => 0);
  const before = performance.now();
  const seconds = (): number => (performance.now() - before) / 1000;
  let known = 0;
  const progress = async (done: number, total: number): Promise<void> => {
    say({ kind: "progress", done, total, seconds: seconds() });
    await breath();
    if (cancelled) throw new Cancelled();
  };
  for await (const strip of segment(source, contract, answer, progress)) {
    const length = strip.labels.length / count;
    for (let layer = 0; layer < count; layer++) {
      const rows = strip.labels.subarray(layer * length, (layer + 1) * length);
      labels.set(rows, layer * size + strip.first * source.width);
      rows.forEach((label) => {
        if (label === IGNORE) return;
        if (layer === 0) known++;
        if (count === 1 && !contract.data.multilabel) counts[label]++;
        else counts[layer] += label;
      });
    }
    const first = Math.ceil(strip.first / step);
    const thin = thinned(strip.labels, count, source.width, strip.first, strip.last, step);
    say({ kind: "labels", first, labels: thin, counts: [...counts], known }, [thin.buffer as ArrayBuffer]);
  }
  result = { labels, model };
  say({ kind: "done", seconds: seconds() });
}

/** Let messages in, "cancel" among them, which WebAssembly alone would keep waiting. */
function breath(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** Every `step`-th pixel of the rows that are shown, of each layer. */
function thinned(
  labels: Uint8Array,
  count: number,
  width: number,
  first: number,
  last: number,
  step: number,
): Uint8Array<ArrayBuffer> {
  const length = labels.length / count;
  const [top, columns] = [Math.ceil(first / step), Math.ceil(width / step)];
  const rows = Math.ceil(last / step) - top;
  const thin = new Uint8Array(count * rows * columns);
  for (let layer = 0, to = 0; layer < count; layer++) {
    for (let y = 0; y < rows; y++) {
      const from = layer * length + ((top + y) * step - first) * width;
      for (let x = 0; x < columns; x++, to++) thin[to] = labels[from + x * step];
    }
  }
  return thin;
}

async function save(what: "labels" | "overlay", visible: boolean[], opacity: number): Promise<void> {
  if (!result || !image) throw new UserError("there is no result yet; press Segment first");
  const { source, look } = image;
  const { width, height } = source;
  const { data } = result.model.contract;
  const { labels } = result;
  const size = width * height;
  const stem = source.name.slice(0, source.name.lastIndexOf("."));
  if (what === "overlay") {
    const classes = { classes: data.classes, visible, overlapping: data.multilabel };
    const blob = await writePng(width, height, overlay(source, look, labels, classes, opacity), null);
    return say({ kind: "saved", files: [{ name: `${stem}_overlay.png`, blob }] });
  }
  const files: { name: string; blob: Blob }[] = [];
  for (let layer = 0; layer < labels.length / size; layer++) {
    const rows = [labels.subarray(layer * size, (layer + 1) * size)];
    const ofClass = data.classes[layer];
    const palette = data.multilabel ? [[0, 0, 0], ofClass.colour] : data.classes.map((c) => c.colour);
    const name = data.multilabel ? `${stem}_${ofClass.name}.png` : `${stem}_labels.png`;
    files.push({ name, blob: await writePng(width, height, rows, palette) });
  }
  say({ kind: "saved", files });
}

/** Rows of the image in full size with its classes over it. */
async function* overlay(
  source: Source,
  look: Look,
  labels: Uint8Array,
  classes: Classes,
  opacity: number,
): AsyncGenerator<Uint8Array> {
  const size = source.width * source.height;
  for await (const { first, last, data, valid } of pieces(source)) {
    const where = [first * source.width, last * source.width] as const;
    const strip = new Uint8Array((labels.length / size) * valid.length);
    for (let at = 0; at < labels.length; at += size) {
      strip.set(labels.subarray(at + where[0], at + where[1]), (at / size) * valid.length);
    }
    yield blended(shown({ data, valid }, source.width, 1, look), painted(strip, classes), opacity);
  }
}
