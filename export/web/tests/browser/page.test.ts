// The built page in headless Chromium. tests/web/test_browser.py makes the files, asks the Python runtime for its
// labels, and starts this.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode } from "fast-png";
import { type BrowserContext, type Page, chromium } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { type Host, host } from "./server.ts";

interface Case {
  name: string;
  model: string;
  image: string;
  /** Of the label maps: layers, height, width. */
  shape: [number, number, number];
  /** Raw bytes of them, by the Python runtime. */
  labels: string;
  /** Text of the area of the class that covers most, if the pixels have a size. */
  area: string | null;
}
interface Refusal {
  name: string;
  files: string[];
  says: string;
}

const FOLDER = process.env.UNETZOO_CASES as string;
const { cases, refusals, large } = JSON.parse(readFileSync(join(FOLDER, "cases.json"), "utf8")) as {
  cases: Case[];
  refusals: Refusal[];
  large: { model: string; image: string };
};
const FLAGS =
  "--disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

let [plain, isolated]: Host[] = [];
let profile = "";
let browser: BrowserContext;
let page: Page;
let requests: string[] = [];

beforeAll(async () => {
  [plain, isolated] = [await host(false), await host(true)];
  profile = mkdtempSync(join(tmpdir(), "unetzoo-web-"));
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    chromiumSandbox: false,
    viewport: { width: 1360, height: 900 },
    args: FLAGS.split(" "),
  });
  browser.setDefaultTimeout(150_000);
});
afterAll(async () => {
  await browser?.close();
  for (const server of [plain, isolated]) server?.close();
  rmSync(profile, { recursive: true, force: true });
});

beforeEach(async () => {
  requests = [];
  page = await browser.newPage();
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(plain.address);
});
afterEach(() => page.close());

async function give(...files: string[]): Promise<void> {
  for (const file of files) {
    const kind = file.endsWith(".onnx") ? "model" : "image";
    await page.setInputFiles(`#${kind}-file`, join(FOLDER, file));
    await page.waitForFunction(() => !/Reading/.test(document.querySelector("#status")?.textContent ?? ""));
  }
}

async function segment(): Promise<string> {
  await page.getByRole("button", { name: "Segment" }).click();
  return ended();
}

async function ended(): Promise<string> {
  await page.waitForFunction(() => document.querySelector<HTMLElement>("#cancel")?.hidden, null, { timeout: 150_000 });
  return (await page.textContent("#status")) ?? "";
}

/** Files that the browser is handed when a button is pressed. */
async function saved(button: string, count: number): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  const all = new Promise<void>((done) => {
    page.on("download", async (download) => {
      found.set(download.suggestedFilename(), readFileSync(await download.path()));
      if (found.size === count) done();
    });
  });
  await page.getByRole("button", { name: button }).click();
  await all;
  return found;
}

describe.each(cases)("$name", ({ model, image, shape, labels, area }) => {
  test("gets the labels of the Python runtime", async () => {
    await give(model, image);
    expect(await page.isHidden("#error"), (await page.textContent("#error")) ?? "").toBe(true);
    expect(await segment()).toMatch(/^Done in .* \(WebAssembly, one thread\)\.$/);
    const [layers, height, width] = shape;
    const wanted = readFileSync(join(FOLDER, labels));
    const found = [...(await saved("Save label map", layers)).values()].map((file) => decode(file));
    let equal = 0;
    found.forEach(({ width: w, height: h, data }, layer) => {
      expect([w, h]).toEqual([width, height]);
      for (let i = 0; i < data.length; i++) equal += Number(data[i] === wanted[layer * data.length + i]);
    });
    console.log(`${model} ${image}: ${equal} of ${wanted.length} labels agree`);
    expect(equal / wanted.length).toBeGreaterThanOrEqual(0.999);
    const counts = await page.locator("#legend tr").evaluateAll((rows) =>
      rows.map((row) => Number((row as HTMLTableRowElement).cells[1].textContent?.replace(/\D/g, ""))),
    );
    const seen = counts.map((_, k) =>
      layers === 1
        ? wanted.reduce((sum, label) => sum + Number(label === k), 0)
        : wanted.subarray(k * height * width, (k + 1) * height * width).reduce((sum, l) => sum + Number(l === 1), 0),
    );
    counts.forEach((count, k) => expect(Math.abs(count - seen[k])).toBeLessThanOrEqual(wanted.length / 1000));
    if (area !== null) expect(await page.textContent("#legend")).toContain(area);
    expect(new Set(requests.map((url) => new URL(url).origin))).toEqual(new Set([new URL(plain.address).origin]));
  });
});

describe("what leaves the page", () => {
  test("is refused by its policy, in the page and in its worker", async () => {
    const elsewhere = `${isolated.address}icon.svg?secret`;
    const attempt = (url: string): Promise<string> => fetch(url).then(() => "went out", () => "refused");
    isolated.asked.length = 0;
    await give(cases[0].model);
    const [worker] = page.workers();
    expect([await page.evaluate(attempt, elsewhere), await worker.evaluate(attempt, elsewhere)]).toEqual([
      "refused",
      "refused",
    ]);
    expect(await worker.evaluate(attempt, `${plain.address}icon.svg`)).toBe("went out");
    expect(isolated.asked).toEqual([]);
  });
});

describe.each(refusals)("$name", ({ files, says }) => {
  test("is refused in one sentence", async () => {
    await give(...files);
    if (await page.isHidden("#error")) await segment();
    const error = (await page.textContent("#error")) ?? "";
    expect(error).toContain(says);
    expect(error.trim().split("\n").length).toBe(1);
    expect(await page.isVisible("#error")).toBe(true);
  });
});

describe("the page", () => {
  const [{ model, image }] = cases;

  test("paints, hides and fades classes, and saves the image with what is shown", async () => {
    const colours = (): Promise<number> =>
      page.locator("#mask").evaluate((canvas: HTMLCanvasElement) => {
        const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((value, i) => i % 4 === 3 && value > 0).length;
      });
    await give(model, image);
    await segment();
    const painted = await colours();
    expect(painted).toBeGreaterThan(0);
    const [overlay] = (await saved("Save overlay", 1)).values();
    for (const box of await page.locator("#legend input:checked").all()) await box.uncheck();
    expect(await colours()).toBe(0);
    const [bare] = (await saved("Save overlay", 1)).values();
    const [with_, without] = [decode(overlay).data, decode(bare).data];
    expect(with_.length).toBe(without.length);
    const changed = with_.filter((value, i) => value !== without[i]).length;
    expect(changed).toBeGreaterThan(painted / 2);
    await page.getByRole("slider", { name: "Opacity" }).fill("20");
    expect(await page.locator("#mask").evaluate((canvas) => (canvas as HTMLElement).style.opacity)).toBe("0.2");
    const table = [...(await saved("Save table", 1)).values()][0].toString();
    expect(table).toMatch(/^class,pixels,share\nbackground,\d+,0\.\d+\n/);
  });

  test("knows areas from a pixel size that is given", async () => {
    await give(model, image);
    await segment();
    await page.getByLabel("Pixel edge", { exact: true }).fill("2");
    await page.getByLabel("Unit of the pixel edge").selectOption("mm");
    expect(await page.textContent("#legend tr:first-child")).toMatch(/[cm]m²$/);
  });

  test("stops when it is told to, and starts again", async () => {
    await give(large.model, large.image);
    await page.getByRole("button", { name: "Segment" }).click();
    await page.waitForFunction(() => /^Tile/.test(document.querySelector("#status")?.textContent ?? ""));
    await page.getByRole("button", { name: "Cancel" }).click();
    expect(await ended()).toBe("Cancelled.");
    expect(await page.isDisabled("#save-labels")).toBe(true);
    await give(model, image);
    expect(await segment()).toMatch(/^Done/);
  });

  test("uses threads where its host isolates it, and gives the same labels", async () => {
    await page.goto(isolated.address);
    await give(model, image);
    const processors = await page.evaluate(() => navigator.hardwareConcurrency);
    expect(await segment()).toMatch(processors > 1 ? /\(WebAssembly, \d+ threads\)/ : /\(WebAssembly, one thread\)/);
    const [map] = (await saved("Save label map", 1)).values();
    const wanted = readFileSync(join(FOLDER, cases[0].labels));
    const { data } = decode(map);
    expect(wanted.filter((label, i) => label !== data[i]).length).toBeLessThanOrEqual(wanted.length / 1000);
  });

  test("says so when the graphics card does not start, and goes on", async () => {
    await page.selectOption("#device", "gpu");
    await give(model, image);
    expect(await segment()).toMatch(/^Done in .* \(WebAssembly, one thread; WebGPU did not start: .+\)\.$/);
  });

  test("can be used with the keyboard alone", async () => {
    await give(model, image);
    await page.locator("#run").focus();
    await page.keyboard.press("Enter");
    await ended();
    await page.locator("#stage").focus();
    const before = await page.textContent("#scale");
    await page.keyboard.press("+");
    expect(await page.textContent("#scale")).not.toBe(before);
    await page.keyboard.press("0");
    expect(await page.textContent("#scale")).toBe(before);
    for (const [role, name] of [
      ["button", "Save label map"],
      ["button", "Larger"],
      ["slider", "Opacity"],
      ["combobox", "Computed by"],
      ["checkbox", "background"],
    ] as const) {
      expect(await page.getByRole(role, { name }).count(), name).toBe(1);
    }
  });

  test.each([320, 390, 768, 1360])("fits a window of %i pixels", async (width) => {
    await page.setViewportSize({ width, height: 800 });
    await give(model, image);
    await segment();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  });
});
