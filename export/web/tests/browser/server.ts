/** A static host of the built page in a folder below its root, as plain as they come. */

import { createReadStream, existsSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

const DIST = fileURLToPath(new URL("../../dist", import.meta.url));
const FOLDER = "/some/folder/";
const KINDS: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

export interface Host {
  address: string;
  /** Paths that were asked for. */
  asked: string[];
  close(): void;
}

/** @param isolated Whether the host sends the headers under which browsers share memory between threads. */
export async function host(isolated: boolean): Promise<Host> {
  const asked: string[] = [];
  const server: Server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://host").pathname;
    asked.push(path);
    const file = join(DIST, path.slice(FOLDER.length) || "index.html");
    if (!path.startsWith(FOLDER) || !existsSync(file)) return void response.writeHead(404).end();
    if (isolated) {
      response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
      response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    }
    response.setHeader("Access-Control-Allow-Origin", "*"); // so that only the page's own policy can refuse
    response.setHeader("Content-Type", KINDS[extname(file)] ?? "application/octet-stream");
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as AddressInfo;
  return { address: `http://127.0.0.1:${port}${FOLDER}`, asked, close: () => server.close() };
}
