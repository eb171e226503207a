/**
 * Builds the page into `built/`, which is in the repository: the server reads it from there, so that starting needs no
 * bundler. After a change: `npm run build:dashboard`; a test compares.
 */
import { fileURLToPath } from "node:url"
import { defineConfig } from "vite"

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  // The page may lie under any path.
  base: "./",
  publicDir: false,
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "built",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // An inlined file would be a data: URL, which the page's Content-Security-Policy refuses.
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        // Fixed names: caches are revalidated by ETag.
        entryFileNames: "assets/dashboard.js",
        // The map's shapes are loaded when they are needed.
        assetFileNames: ({ names }) =>
          names.includes("world.txt") ? "assets/world.txt" : "assets/dashboard[extname]",
      },
    },
  },
})
