/** The page: takes files, asks the worker, shows what it answers. */

import { byId, download, element, fill } from "./dom.ts";
import { Legend } from "./legend.ts";
import type { Ask, ImageFacts, ModelFacts, Tell } from "./protocol.ts";
import { Viewer } from "./viewer.ts";
import workerAddress from "./worker.ts?worker&url";

const viewer = new Viewer();
const legend = new Legend();
const [run, cancel] = [byId("run", HTMLButtonElement), byId("cancel", HTMLButtonElement)];
const [progress, status] = [byId("progress", HTMLProgressElement), byId("status", HTMLElement)];
const [opacity, device] = [byId("opacity", HTMLInputElement), byId("device", HTMLSelectElement)];

let model: ModelFacts | null = null;
let image: ImageFacts | null = null;
let busy = false;
let started = "";

const worker = startWorker();
const ask = (what: Ask): void => worker.postMessage(what);

/** From a script of the page's own making, since only such a worker obeys the page's content security policy. */
function startWorker(): Worker {
  const address = new URL(workerAddress, import.meta.url).href;
  const script = new Blob([`import ${JSON.stringify(address)};`], { type: "text/javascript" });
  const made = new Worker(URL.createObjectURL(script), { type: "module" });
  made.onmessage = ({ data }: MessageEvent<Tell>) => hear(data);
  made.onerror = (event) => {
    event.preventDefault();
    complain(`the page could not start its worker (${event.message || "no reason given"}); reload it`);
  };
  return made;
}

function hear(tell: Tell): void {
  switch (tell.kind) {
    case "model":
      showModel(tell);
      break;
    case "image":
      showImage(tell);
      break;
    case "picture":
      viewer.putPicture(tell.first, tell.rgb);
      break;
    case "started":
      started = tell.device + (tell.note ? `; ${tell.note}` : "");
      status.textContent = `Reading the image (${started})…`;
      break;
    case "progress":
      progress.value = tell.done / tell.total;
      status.textContent = `Tile ${tell.done} of ${tell.total}, ${timeLeft(tell.seconds, tell.done, tell.total)}`;
      break;
    case "labels":
      viewer.putLabels(tell.first, tell.labels, legend.shown);
      legend.update(tell.counts, tell.known);
      break;
    case "done":
      finish(`Done in ${tell.seconds.toFixed(1)} s (${started}).`);
      setSaves(true);
      showResult();
      break;
    case "cancelled":
      finish("Cancelled.");
      break;
    case "saved":
      for (const { name, blob } of tell.files) download(name, blob);
      status.textContent = `Saved ${tell.files.map(({ name }) => name).join(", ")}.`;
      setSaves(true);
      break;
    case "failed":
      fail(tell.asked, tell.message);
  }
}

function showModel(facts: ModelFacts): void {
  model = facts;
  named("model", facts.name);
  const measures = Object.entries(facts.metrics).filter(([name]) => !name.includes("loss"));
  const [classes, bands] = [facts.classes.map((c) => c.name), facts.bands];
  byId("model-summary", HTMLElement).textContent =
    `${counted(classes.length, "class", "classes")}, ${counted(bands.length, "band", "bands")}`;
  byId("model-about", HTMLElement).hidden = false;
  fill(byId("model-facts", HTMLElement), [
    ["Network", facts.title],
    ["Classes", classes.join(", ")],
    ["Bands", bands.join(", ")],
    ["Tile", `${facts.tile.join(" × ")} px`],
    ["Measured", measures.map(([name, value]) => `${name} ${Number(value.toPrecision(3))}`).join(", ")],
    ["Licence", facts.licence],
    ["File", facts.verified ? "as exported (SHA-256 checked)" : "has no checksum"],
  ]);
  reset();
}

function showImage(facts: ImageFacts): void {
  image = facts;
  named("image", facts.name);
  const { x, y, unit } = facts.pixelSize ?? {};
  fill(byId("image-facts", HTMLElement), [
    ["Size", `${facts.width} × ${facts.height} px`],
    ["Holds", facts.content],
    ["Pixel", x && y ? `${Number(x.toPrecision(4))} × ${Number(y.toPrecision(4))} ${unit}` : ""],
    ["Shown", facts.step > 1 ? `every ${facts.step}th pixel; all are segmented and saved` : ""],
  ]);
  byId("place", HTMLElement).hidden = !facts.georeferenced;
  viewer.open(Math.ceil(facts.width / facts.step), Math.ceil(facts.height / facts.step));
  reset();
}

/** Without a result, as model or image have changed. */
function reset(): void {
  byId("result", HTMLElement).hidden = true;
  run.disabled = !(model && image);
  if (image) viewer.clear(1);
  const missing = !model ? "a model" : !image ? "an image" : null;
  status.textContent = missing ? `Give ${missing}, too.` : "Ready.";
}

function start(): void {
  if (!model || !image) return;
  complain(null);
  viewer.clear(model.overlapping ? model.classes.length : 1);
  legend.open(model, image);
  byId("result", HTMLElement).hidden = false;
  setBusy(true);
  setSaves(false);
  status.textContent = "Starting the network…";
  ask({ kind: "run", gpu: device.value === "gpu" });
}

/** Where the panel has a scroll bar of its own; on a small screen the image is what one wants to see. */
function showResult(): void {
  const panel = byId("panel", HTMLElement);
  panel.scrollTo({ top: panel.scrollHeight });
}

function finish(text: string): void {
  setBusy(false);
  status.textContent = text;
}

function fail(asked: Ask["kind"], message: string): void {
  complain(message);
  if (asked === "model" || asked === "image") {
    // the worker lets go of an image it cannot read, but keeps the model before
    if (asked === "image") image = null;
    named(asked, asked === "model" ? (model?.name ?? null) : null);
    if (asked === "image") byId("image-facts", HTMLElement).hidden = true;
    reset();
  } else {
    finish("");
    if (asked === "save") setSaves(true);
  }
}

function complain(message: string | null): void {
  const place = byId("error", HTMLElement);
  place.hidden = message === null;
  place.textContent = message ?? "";
  if (message) place.scrollIntoView({ block: "nearest" });
}

function named(what: "model" | "image", name: string | null): void {
  const label = byId(`${what}-name`, HTMLElement);
  label.textContent = name ?? (what === "model" ? "Choose an .onnx file" : "Choose an image");
  label.parentElement?.classList.toggle("given", name !== null);
}

function setBusy(now: boolean): void {
  busy = now;
  run.disabled = now;
  cancel.hidden = progress.hidden = !now;
  progress.value = 0;
  device.disabled = now;
  for (const id of ["model-file", "image-file"]) byId(id, HTMLInputElement).disabled = now;
}

function setSaves(now: boolean): void {
  for (const id of ["save-labels", "save-overlay", "save-table"]) byId(id, HTMLButtonElement).disabled = !now;
}

function take(files: Iterable<File>): void {
  if (busy) return complain("an image is being segmented; cancel that first");
  complain(null);
  for (const file of files) {
    const kind = file.name.toLowerCase().endsWith(".onnx") ? "model" : "image";
    status.textContent = `Reading ${file.name}…`;
    ask({ kind, file });
  }
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

function timeLeft(seconds: number, done: number, total: number): string {
  const left = Math.ceil((seconds / done) * (total - done));
  return left < 90 ? `${left} s left` : `${Math.ceil(left / 60)} min left`;
}

for (const id of ["model-file", "image-file"]) {
  const input = byId(id, HTMLInputElement);
  input.addEventListener("change", () => {
    take([...(input.files ?? [])]);
    input.value = ""; // the same file may be chosen again
  });
}
run.onclick = start;
cancel.onclick = () => ask({ kind: "cancel" });
opacity.oninput = () => {
  viewer.opacity(Number(opacity.value) / 100);
  byId("opacity-value", HTMLOutputElement).textContent = `${opacity.value} %`;
};
viewer.opacity(Number(opacity.value) / 100);
legend.onChange = () => viewer.repaint(legend.shown);
for (const what of ["labels", "overlay"] as const) {
  byId(`save-${what}`, HTMLButtonElement).onclick = () => {
    setSaves(false);
    ask({ kind: "save", what, visible: legend.shown.visible, opacity: Number(opacity.value) / 100 });
  };
}
byId("save-table", HTMLButtonElement).onclick = () => {
  const stem = image?.name.replace(/\.[^.]*$/, "") ?? "image";
  download(`${stem}_areas.csv`, new Blob([legend.table()], { type: "text/csv" }));
};
viewer.onPoint = (at) => {
  const under = byId("under", HTMLOutputElement);
  under.replaceChildren();
  if (!at || !image) return;
  under.append(`${at.x * image.step}, ${at.y * image.step}`);
  const { classes, overlapping } = legend.shown;
  const found = overlapping ? classes.filter((_, k) => at.labels[k] === 1) : at.labels.map((k) => classes[k]);
  for (const known of found.filter(Boolean)) {
    const swatch = element("b");
    swatch.style.background = `rgb(${known.colour.join(" ")})`;
    under.append(swatch, known.name);
  }
};

const drop = byId("drop", HTMLElement);
addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.hidden = false;
});
addEventListener("dragleave", (event) => (drop.hidden = event.relatedTarget === null));
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.hidden = true;
  take([...(event.dataTransfer?.files ?? [])]);
});
