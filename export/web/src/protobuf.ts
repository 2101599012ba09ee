/**
 * What an ONNX file says of itself below the network: its metadata, where its weights lie, and its checksum.
 *
 * Reads the few protobuf fields that matter, as ONNX Runtime for browsers gives no metadata. Numbers of the
 * fields are those of onnx.proto3, https://github.com/onnx/onnx; the checksum is that of docs/contract.md.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

const METADATA = 14;

type Message = "model" | "graph" | "function" | "node" | "attribute" | "sparse" | "tensor" | "entry";

/** By message: fields that lead to tensors, and the message that each holds. */
const INSIDE: Record<Message, Record<number, Message>> = {
  model: { 7: "graph", 25: "function" },
  graph: { 1: "node", 5: "tensor", 15: "sparse" },
  function: { 7: "node" },
  node: { 5: "attribute" },
  attribute: { 5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse" },
  sparse: { 1: "tensor", 2: "tensor" },
  tensor: { 13: "entry" },
  entry: {},
};
const DEEPEST = 64;

/** A field of a message: where it begins, where its content begins if that has a length, where it ends. */
interface Field {
  number: number;
  at: number;
  content: number | null;
  end: number;
}

/** The entries of `metadata_props`. */
export function metadata(bytes: Uint8Array): Map<string, string> {
  const found = new Map<string, string>();
  for (const { number, content, end } of fields(bytes, 0, bytes.length)) {
    if (number === METADATA && content !== null) {
      const entry = texts(bytes, content, end);
      found.set(entry.get(1) ?? "", entry.get(2) ?? "");
    }
  }
  return found;
}

/** SHA-256, in hexadecimal digits, over all of the file but its metadata. */
export function checksum(bytes: Uint8Array): string {
  const digest = sha256.create();
  for (const { number, at, end } of fields(bytes, 0, bytes.length)) {
    if (number !== METADATA) digest.update(bytes.subarray(at, end));
  }
  return bytesToHex(digest.digest());
}

/** The first file that the network takes weights from, beside its own; null if it has them all. */
export function externalFile(bytes: Uint8Array): string | null {
  for (const name of locations(bytes, 0, bytes.length, "model", 0)) return name;
  return null;
}

function* locations(
  bytes: Uint8Array,
  first: number,
  last: number,
  message: Message,
  depth: number,
): Generator<string> {
  if (depth > DEEPEST) throw damaged();
  if (message === "entry") {
    const entry = texts(bytes, first, last);
    if (entry.get(1) === "location") yield entry.get(2) ?? "";
    return;
  }
  for (const { number, content, end } of fields(bytes, first, last)) {
    const kind = INSIDE[message][number];
    if (kind !== undefined && content !== null) yield* locations(bytes, content, end, kind, depth + 1);
  }
}

function texts(bytes: Uint8Array, first: number, last: number): Map<number, string> {
  const decoder = new TextDecoder();
  const found = new Map<number, string>();
  for (const { number, content, end } of fields(bytes, first, last)) {
    if (content !== null) found.set(number, decoder.decode(bytes.subarray(content, end)));
  }
  return found;
}

function* fields(bytes: Uint8Array, first: number, last: number): Generator<Field> {
  for (let at = first; at < last; ) {
    const [tag, next] = varint(bytes, at, last);
    const kind = tag % 8;
    const number = Math.floor(tag / 8);
    let content: number | null = null;
    let end: number;
    if (kind === 0) {
      end = varint(bytes, next, last)[1];
    } else if (kind === 2) {
      const [length, start] = varint(bytes, next, last);
      [content, end] = [start, start + length];
    } else if (kind === 1 || kind === 5) {
      end = next + (kind === 1 ? 8 : 4);
    } else {
      throw damaged();
    }
    if (end > last || number === 0) throw damaged();
    yield { number, at, content, end };
    at = end;
  }
}

/** A number and where it ends; exact up to 2^53, and whatever is larger lies outside of any file. */
function varint(bytes: Uint8Array, first: number, last: number): [number, number] {
  let value = 0;
  for (let at = first, place = 0; at < last && place < 10; at++, place++) {
    value += (bytes[at] & 127) * 2 ** (7 * place);
    if (bytes[at] < 128) return [value, at + 1];
  }
  throw damaged();
}

function damaged(): Error {
  return new Error("its fields do not add up");
}
