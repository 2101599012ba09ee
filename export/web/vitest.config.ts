import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["tests/*.test.ts"], environment: "node" } },
      { test: { name: "browser", include: ["tests/browser/*.test.ts"], environment: "node", testTimeout: 180_000, hookTimeout: 60_000 } },
    ],
  },
});
