import { readFileSync, readdirSync } from "node:fs";

import { type Plugin, defineConfig } from "vite";

// scripts, WebAssembly and the page itself come from where the page lies, and nothing goes anywhere else;
// data: is the WebAssembly of the Zstandard decoder, which lies within its script
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "connect-src 'self' data:",
  "style-src 'self'",
  "img-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

// the development server writes styles into the page, which the policy forbids
const policy: Plugin = {
  name: "content-security-policy",
  apply: "build",
  transformIndexHtml: () => [
    { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: POLICY }, injectTo: "head-prepend" },
  ],
};

// what the page is made of asks that its licences go with it
const licences: Plugin = {
  name: "licences",
  apply: "build",
  generateBundle() {
    const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
      packages: Record<string, { version: string; dev?: boolean; license?: string }>;
    };
    const parts = Object.entries(lock.packages)
      .filter(([folder, { dev }]) => folder && !dev)
      .map(([folder, { version, license }]) => {
        const files = readdirSync(folder).filter((name) => /^(licen[cs]e|notice)/i.test(name));
        const texts = files.map((name) => readFileSync(`${folder}/${name}`, "utf8").trim());
        return [`${folder.replace("node_modules/", "")} ${version} (${license})`, ...texts].join("\n\n");
      });
    const source = parts.join(`\n\n${"-".repeat(80)}\n\n`);
    this.emitFile({ type: "asset", fileName: "licences.txt", source });
  },
};

// pages that are isolated like this may share memory between threads
const isolated = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
  base: "./", // any folder of any host
  plugins: [policy, licences],
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser", "development|production"] },
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 1000 },
  worker: { format: "es" },
  optimizeDeps: { exclude: ["onnxruntime-web"] },
  server: { headers: isolated },
  preview: { headers: isolated },
});
