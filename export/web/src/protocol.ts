/** What the page and its worker say to each other. */

import type { ClassSpec, Contract } from "./contract.ts";
import type { PixelSize } from "./source.ts";

export type Ask =
  | { kind: "model"; file: File }
  | { kind: "image"; file: File }
  | { kind: "run"; gpu: boolean }
  | { kind: "cancel" }
  | { kind: "save"; what: "labels" | "overlay"; visible: boolean[]; opacity: number };

export type Tell =
  | ({ kind: "model" } & ModelFacts)
  | ({ kind: "image" } & ImageFacts)
  /** Rows of the picture, every `step`-th pixel of every `step`-th row, red, green, blue. */
  | { kind: "picture"; first: number; rgb: Uint8Array }
  | { kind: "started"; device: string; note: string | null }
  | { kind: "progress"; done: number; total: number; seconds: number }
  /** Rows of the label maps, likewise, and pixels of each class so far. */
  | { kind: "labels"; first: number; labels: Uint8Array; counts: number[]; known: number }
  | { kind: "done"; seconds: number }
  | { kind: "cancelled" }
  | { kind: "saved"; files: { name: string; blob: Blob }[] }
  | { kind: "failed"; asked: Ask["kind"]; message: string };

export interface ModelFacts {
  name: string;
  title: string;
  bands: string[];
  classes: ClassSpec[];
  overlapping: boolean;
  tile: number[];
  licence: string;
  metrics: Record<string, number>;
  verified: boolean;
  /** What the images had in training, in millimetres or metres; null where that is not known. */
  pixelSize: PixelSize | null;
}

export interface ImageFacts {
  name: string;
  width: number;
  height: number;
  /** Bands and kind of numbers, for people. */
  content: string;
  georeferenced: boolean;
  pixelSize: PixelSize | null;
  /** One pixel of so many along each axis is shown. */
  step: number;
}

export function factsOf(name: string, contract: Contract, verified: boolean): ModelFacts {
  const { data, licence, metrics } = contract;
  const length = data.spacing && (data.unit === "m" || data.unit === "mm") ? data.unit : null;
  return {
    name,
    title: contract.name,
    bands: data.bands,
    classes: data.classes,
    overlapping: data.multilabel,
    tile: data.tile,
    licence,
    metrics,
    verified,
    pixelSize: length && data.spacing && { y: data.spacing[0], x: data.spacing[1], unit: length },
  };
}
