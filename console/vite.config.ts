// Only the types: what builds the console is installed without what tests it.
/// <reference types="vitest/config" />
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The server that `npm run dev` talks to.
const SERVER = process.env.EVERRUNS_URL ?? "http://127.0.0.1:9300";

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "../everruns/console",
    emptyOutDir: true,
    assetsDir: "assets",
    // The content security policy of the server allows no inlined data as script or style.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: {
    host: "127.0.0.1",
    // The server admits pages of its own origin only, so requests must seem to come from there.
    proxy: {
      "/v1": { target: SERVER, changeOrigin: true, headers: { origin: SERVER } },
    },
  },
  test: { include: ["tests/**/*.test.{ts,tsx}"], environment: "happy-dom" },
});
