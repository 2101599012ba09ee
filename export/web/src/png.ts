/** PNG files row by row, so that a large one needs no second copy of its pixels. */

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/**
 * A PNG of 8 bits.
 *
 * @param rows Its rows, from top to bottom, in pieces of whole rows: indices, or red, green, blue.
 * @param palette Colours of the indices, of which 255 is shown transparent; null: pixels are RGB.
 */
export async function writePng(
  width: number,
  height: number,
  rows: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  palette: number[][] | null,
): Promise<Blob> {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, palette ? 3 : 2, 0, 0, 0], 8);
  const parts = [Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10), chunk("IHDR", header)];
  if (palette) {
    const colours = new Uint8Array(768);
    palette.forEach((colour, i) => colours.set(colour, 3 * i));
    parts.push(chunk("PLTE", colours), chunk("tRNS", new Uint8Array(256).fill(255).fill(0, 255)));
  }
  const compressed = new CompressionStream("deflate");
  const stride = palette ? width : 3 * width;
  const fed = feed(compressed.writable.getWriter(), rows, stride);
  const reader = compressed.readable.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    parts.push(chunk("IDAT", next.value));
  }
  await fed;
  parts.push(chunk("IEND", new Uint8Array()));
  return new Blob(parts as BlobPart[], { type: "image/png" });
}

async function feed(
  writer: WritableStreamDefaultWriter<BufferSource>,
  rows: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  stride: number,
): Promise<void> {
  try {
    for await (const piece of rows) {
      const count = piece.length / stride;
      const filtered = new Uint8Array(piece.length + count); // a 0 before each row: it is stored as it is
      for (let y = 0; y < count; y++) {
        filtered.set(piece.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1);
      }
      await writer.write(filtered);
    }
    await writer.close();
  } catch (error) {
    await writer.abort(error);
    throw error;
  }
}

function chunk(kind: string, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(content.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(new TextEncoder().encode(kind), 4);
  bytes.set(content, 8);
  let crc = 0xffffffff;
  for (let i = 4; i < content.length + 8; i++) crc = CRC[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  view.setUint32(content.length + 8, ~crc);
  return bytes;
}
