/** Classes with their colours and areas, to be shown and hidden. */

import { areaText, csv, grouped, rounded, shareText } from "./areas.ts";
import { type Classes, shownAtFirst } from "./colours.ts";
import { byId, element } from "./dom.ts";
import type { ImageFacts, ModelFacts } from "./protocol.ts";
import type { PixelSize } from "./source.ts";

const UNITS: Record<string, [PixelSize["unit"], number]> = {
  m: ["m", 1],
  cm: ["mm", 10],
  mm: ["mm", 1],
  µm: ["mm", 1e-3],
};

export class Legend {
  /** Called when other classes are shown. */
  onChange: () => void = () => {};

  private classes: Classes = { classes: [], visible: [], overlapping: false };
  private counts: number[] = [];
  private known = 0;
  private size: PixelSize | null = null;
  private readonly body = byId("legend", HTMLTableSectionElement);
  private readonly edge = byId("pixel", HTMLInputElement);
  private readonly unit = byId("pixel-unit", HTMLSelectElement);

  constructor() {
    for (const input of [this.edge, this.unit]) input.addEventListener("input", () => this.ask());
  }

  /** What the painter needs. */
  get shown(): Classes {
    return this.classes;
  }

  /** Start over; which classes are shown is kept while the model is the same. */
  open(model: ModelFacts, image: ImageFacts): void {
    if (this.classes.classes !== model.classes) {
      const visible = model.classes.map(shownAtFirst);
      this.classes = { classes: model.classes, visible, overlapping: model.overlapping };
      this.body.replaceChildren(...model.classes.map((_, k) => this.row(k)));
    }
    const [size, source] = image.pixelSize
      ? [image.pixelSize, "from the image"]
      : [model.pixelSize, model.pixelSize ? "as in the training images" : ""];
    this.edge.value = size ? rounded(Math.sqrt(size.x * size.y)) : "";
    if (size) this.unit.value = size.unit;
    this.size = size;
    byId("pixel-source", HTMLElement).textContent = source;
    this.update(model.classes.map(() => 0), 0);
  }

  /** Pixels of each class, and of all that have data. */
  update(counts: number[], known: number): void {
    [this.counts, this.known] = [counts, known];
    byId("area-head", HTMLElement).hidden = !this.size;
    [...this.body.rows].forEach((row, k) => {
      row.classList.toggle("off", !this.classes.visible[k]);
      row.cells[1].textContent = grouped(counts[k]);
      row.cells[2].textContent = shareText(counts[k], known);
      row.cells[3].textContent = this.size ? areaText(counts[k], this.size) : "";
      row.cells[3].hidden = !this.size;
    });
  }

  table(): string {
    return csv(this.classes.classes.map((c) => c.name), this.counts, this.known, this.size);
  }

  private ask(): void {
    const edge = Number(this.edge.value);
    const [unit, times] = UNITS[this.unit.value];
    this.size = edge > 0 ? { x: edge * times, y: edge * times, unit } : null;
    byId("pixel-source", HTMLElement).textContent = edge > 0 ? "as given here" : "";
    this.update(this.counts, this.known);
  }

  private row(k: number): HTMLTableRowElement {
    const { name, colour } = this.classes.classes[k];
    const [row, head, label] = [element("tr"), element("th"), element("label")];
    const [box, swatch] = [element("input"), element("span", "", "swatch")];
    head.scope = "row";
    box.type = "checkbox";
    box.checked = this.classes.visible[k];
    box.addEventListener("change", () => {
      this.classes.visible[k] = box.checked;
      this.update(this.counts, this.known);
      this.onChange();
    });
    swatch.style.background = `rgb(${colour.join(" ")})`;
    label.append(box, swatch, name);
    head.append(label);
    row.append(head, element("td"), element("td"), element("td"));
    return row;
  }
}
