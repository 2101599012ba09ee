/** An exported file in ONNX Runtime, checked against the contract that it carries. */

import type { InferenceSession, Tensor } from "onnxruntime-web";

import wasmModule from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasmFile from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import gpuModule from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url";
import gpuFile from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url";

import { CHECKSUM_KEY, type Contract, METADATA_KEY, channels, readContract } from "./contract.ts";
import { UserError, firstLine, reading } from "./errors.ts";
import { checksum, externalFile, metadata } from "./protobuf.ts";
import type { Network } from "./segment.ts";

export interface Model {
  name: string;
  bytes: Uint8Array;
  contract: Contract;
  /** Whether the file has a checksum, which then agrees. */
  verified: boolean;
}

export interface Loaded {
  run: Network;
  /** What computes, for people. */
  device: string;
  /** Why it is not what was asked for. */
  note: string | null;
  release(): Promise<void>;
}

/** An exported file whose contract this page can keep; the network itself is loaded by `loadNetwork`. */
export async function readModel(name: string, bytes: Uint8Array): Promise<Model> {
  const found = await reading(name, "an ONNX file", () => ({
    entries: metadata(bytes),
    external: externalFile(bytes),
  }));
  const text = found.entries.get(METADATA_KEY);
  if (text === undefined) {
    throw new UserError(
      `${name}: was not exported by unetzoo, it carries no contract; use 'unetzoo export'`,
    );
  }
  const contract = inFile(name, () => readContract(text));
  if (contract.data.ndim !== 2) {
    throw new UserError(`${name}: is for volumes, which this page does not read; use unetzoo-infer`);
  }
  if (contract.data.target) {
    throw new UserError(
      `${name}: predicts an image (${contract.data.target.bands.join(", ")}) and no classes; use unetzoo-infer`,
    );
  }
  if (found.external !== null) {
    throw new UserError(
      `${name}: its weights lie in a second file, '${found.external}', too large for a browser; use unetzoo-infer`,
    );
  }
  const expected = found.entries.get(CHECKSUM_KEY);
  if (expected !== undefined && checksum(bytes) !== expected) {
    throw new UserError(
      `${name}: its network or weights are not those that were exported (SHA-256 differs); ` +
        "get the file again, or export the model again",
    );
  }
  return { name, bytes, contract, verified: expected !== undefined };
}

/** The network, on the graphics card if that is asked for and starts, else on the processor. */
export async function loadNetwork(model: Model, gpu: boolean): Promise<Loaded> {
  if (!gpu) return onProcessor(model, null);
  try {
    return await onGraphicsCard(model);
  } catch (error) {
    return onProcessor(model, `WebGPU did not start: ${firstLine(error)}`);
  }
}

async function onProcessor(model: Model, note: string | null): Promise<Loaded> {
  const { env, InferenceSession, Tensor } = await import("onnxruntime-web/wasm");
  env.wasm.wasmPaths = { mjs: absolute(wasmModule), wasm: absolute(wasmFile) };
  // more than one thread needs shared memory, which browsers give to isolated pages alone
  const threads = globalThis.crossOriginIsolated ? Math.min(8, navigator.hardwareConcurrency) : 1;
  env.wasm.numThreads = threads;
  const session = await reading(model.name, "a network", () =>
    InferenceSession.create(model.bytes, { executionProviders: ["wasm"], logSeverityLevel: 4 }),
  );
  const device = `WebAssembly, ${threads === 1 ? "one thread" : `${threads} threads`}`;
  return { ...wrapped(model, session, Tensor), device, note };
}

async function onGraphicsCard(model: Model): Promise<Loaded> {
  const adapter = await (navigator as { gpu?: { requestAdapter(): Promise<unknown> } }).gpu?.requestAdapter();
  if (!adapter) throw new Error("this browser offers no graphics card");
  const { env, InferenceSession, Tensor } = await import("onnxruntime-web/webgpu");
  env.wasm.wasmPaths = { mjs: absolute(gpuModule), wasm: absolute(gpuFile) };
  env.wasm.numThreads = 1;
  const session = await InferenceSession.create(model.bytes, {
    executionProviders: ["webgpu"],
    logSeverityLevel: 4,
  });
  return { ...wrapped(model, session, Tensor), device: "WebGPU", note: null };
}

function wrapped(
  { name, contract }: Model,
  session: InferenceSession,
  tensor: typeof Tensor,
): Pick<Loaded, "run" | "release"> {
  const [input, output] = [session.inputNames[0], session.outputNames[0]];
  const takes = session.inputMetadata[0];
  const promised = [contract.data.bands.length, ...contract.data.tile];
  const sizes = takes.isTensor ? takes.shape : [];
  if (sizes.length !== 4 || promised.some((p, i) => typeof sizes[i + 1] === "number" && sizes[i + 1] !== p)) {
    throw new UserError(
      `${name}: the network takes ${sizes.slice(1).join(" x ")} but its contract says ${promised.join(" x ")}; ` +
        "export it again",
    );
  }
  const wanted = [1, channels(contract), ...contract.data.tile].join(" x ");
  return {
    async run(x, shape) {
      const fed = new tensor("float32", x, shape);
      const answers = await session.run({ [input]: fed });
      const logits = answers[output];
      if (logits.dims.join(" x ") !== wanted || logits.type !== "float32") {
        throw new UserError(
          `${name}: the network answers ${logits.dims.join(" x ")} where its contract says ${wanted}; ` +
            "export it again",
        );
      }
      return logits.data as Float32Array;
    },
    release: () => session.release(),
  };
}

/** ONNX Runtime starts threads of its own from this address, for which a relative one would be another. */
function absolute(address: string): string {
  return new URL(address, import.meta.url).href;
}

function inFile<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${name}: ${error.message}`) : error;
  }
}
