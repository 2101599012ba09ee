/** An image with its label maps over it, to be moved and zoomed with pointer and keys. */

import { type Classes, painted } from "./colours.ts";
import { byId } from "./dom.ts";

const MARGIN = 24; // CSS pixels around an image that is fitted
const [SMALLEST, LARGEST] = [0.02, 40];
const ROWS = 256; // of the mask that are painted at a time

export class Viewer {
  /** Called with the pixel under the pointer, as shown; null outside of the image. */
  onPoint: (at: { x: number; y: number; labels: number[] } | null) => void = () => {};

  private readonly stage = byId("stage", HTMLElement);
  private readonly sheet = byId("sheet", HTMLDivElement);
  private readonly picture = byId("picture", HTMLCanvasElement);
  private readonly mask = byId("mask", HTMLCanvasElement);
  private labels: Uint8Array | null = null;
  private layers = 1;
  private view = { x: 0, y: 0, scale: 1 };
  private readonly pointers = new Map<number, { x: number; y: number }>();

  constructor() {
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.stage.addEventListener("pointerdown", (event) => this.grab(event));
    this.stage.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"] as const) {
      this.stage.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    }
    this.stage.addEventListener("pointerleave", () => this.onPoint(null));
    this.stage.addEventListener("keydown", (event) => this.key(event));
    byId("zoom-in", HTMLButtonElement).onclick = () => this.zoom(1.5);
    byId("zoom-out", HTMLButtonElement).onclick = () => this.zoom(1 / 1.5);
    byId("fit", HTMLButtonElement).onclick = () => this.fit();
    new ResizeObserver(() => this.fit()).observe(this.stage);
  }

  /** An empty image of so many pixels on the screen. */
  open(width: number, height: number): void {
    for (const canvas of [this.picture, this.mask]) [canvas.width, canvas.height] = [width, height];
    this.labels = null;
    byId("empty", HTMLElement).hidden = true;
    this.sheet.hidden = byId("tools", HTMLElement).hidden = false;
    this.stage.classList.add("open");
    this.fit();
  }

  putPicture(first: number, rgb: Uint8Array): void {
    const rgba = new Uint8ClampedArray((rgb.length / 3) * 4).fill(255);
    for (let i = 0; i < rgb.length / 3; i++) for (let k = 0; k < 3; k++) rgba[4 * i + k] = rgb[3 * i + k];
    context(this.picture).putImageData(new ImageData(rgba, this.picture.width), 0, first);
  }

  /** Forget the label maps. */
  clear(layers: number): void {
    this.layers = layers;
    this.labels = new Uint8Array(layers * this.mask.width * this.mask.height).fill(255);
    context(this.mask).clearRect(0, 0, this.mask.width, this.mask.height);
  }

  /** Rows of the label maps (layers x rows x width). */
  putLabels(first: number, labels: Uint8Array, classes: Classes): void {
    if (!this.labels || !labels.length) return;
    const length = labels.length / this.layers;
    const size = this.labels.length / this.layers;
    for (let layer = 0; layer < this.layers; layer++) {
      const rows = labels.subarray(layer * length, (layer + 1) * length);
      this.labels.set(rows, layer * size + first * this.mask.width);
    }
    context(this.mask).putImageData(new ImageData(painted(labels, classes), this.mask.width), 0, first);
  }

  /** Paint all label maps again, as other classes are shown. */
  repaint(classes: Classes): void {
    const { width, height } = this.mask;
    for (let first = 0; this.labels && first < height; first += ROWS) {
      const last = Math.min(height, first + ROWS);
      const strips = Array.from({ length: this.layers }, (_, layer) =>
        (this.labels as Uint8Array).subarray((layer * height + first) * width, (layer * height + last) * width),
      );
      const labels = new Uint8Array(this.layers * (last - first) * width);
      strips.forEach((strip, layer) => labels.set(strip, layer * strip.length));
      context(this.mask).putImageData(new ImageData(painted(labels, classes), width), 0, first);
    }
  }

  opacity(value: number): void {
    this.mask.style.opacity = String(value);
  }

  private fit(): void {
    const { clientWidth, clientHeight } = this.stage;
    const { width, height } = this.picture;
    const scale = Math.min((clientWidth - 2 * MARGIN) / width, (clientHeight - 2 * MARGIN) / height, 8);
    this.view = { x: (clientWidth - width * scale) / 2, y: (clientHeight - height * scale) / 2, scale };
    this.place();
  }

  /** Around a point of the stage, its middle if none is given. */
  private zoom(factor: number, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2): void {
    const scale = Math.min(LARGEST, Math.max(SMALLEST, this.view.scale * factor));
    const moved = scale / this.view.scale;
    this.view = { x: x - (x - this.view.x) * moved, y: y - (y - this.view.y) * moved, scale };
    this.place();
  }

  private place(): void {
    const { x, y, scale } = this.view;
    this.sheet.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    this.sheet.classList.toggle("close", scale >= 2);
    byId("scale", HTMLOutputElement).textContent = `${Math.round(100 * scale)} %`;
  }

  private wheel(event: WheelEvent): void {
    if (this.sheet.hidden) return;
    event.preventDefault();
    const { left, top } = this.stage.getBoundingClientRect();
    this.zoom(Math.exp(-event.deltaY / 500), event.clientX - left, event.clientY - top);
  }

  private grab(event: PointerEvent): void {
    if (this.sheet.hidden || (event.target as Element).closest("button")) return;
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  private move(event: PointerEvent): void {
    const { left, top } = this.stage.getBoundingClientRect();
    this.onPoint(this.at(event.clientX - left, event.clientY - top));
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      // two fingers: what lies between them stays there
      const apart = (p: { x: number; y: number }): number => Math.hypot(p.x - other.x, p.y - other.y);
      this.zoom(apart(now) / Math.max(1, apart(before)), (now.x + other.x) / 2 - left, (now.y + other.y) / 2 - top);
    } else {
      this.view.x += now.x - before.x;
      this.view.y += now.y - before.y;
      this.place();
    }
    this.pointers.set(event.pointerId, now);
  }

  private key(event: KeyboardEvent): void {
    const step = 48;
    const moves: Record<string, () => void> = {
      "+": () => this.zoom(1.25),
      "=": () => this.zoom(1.25),
      "-": () => this.zoom(0.8),
      "0": () => this.fit(),
      ArrowLeft: () => (this.view.x += step),
      ArrowRight: () => (this.view.x -= step),
      ArrowUp: () => (this.view.y += step),
      ArrowDown: () => (this.view.y -= step),
    };
    if (this.sheet.hidden || event.target !== this.stage || event.ctrlKey || event.metaKey || !moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
    this.place();
  }

  private at(left: number, top: number): { x: number; y: number; labels: number[] } | null {
    const { width, height } = this.mask;
    const x = Math.floor((left - this.view.x) / this.view.scale);
    const y = Math.floor((top - this.view.y) / this.view.scale);
    if (this.sheet.hidden || x < 0 || y < 0 || x >= width || y >= height) return null;
    const labels = this.labels
      ? Array.from({ length: this.layers }, (_, k) => this.labels![(k * height + y) * width + x])
      : [];
    return { x, y, labels };
  }
}

function context(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  return canvas.getContext("2d") as CanvasRenderingContext2D;
}
