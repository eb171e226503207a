/**
 * Builds the page into `built/`, which is in the repository: the server reads it from there, so that starting needs no
 * bundler. After a change: `npm run build:dashboard`; a test compares.
 */
import { fileURLToPath } from "node:url"
import { defineConfig } from "vite"

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  // Without a folder's name in front the page could only be served at the root, which is where it is.
  base: "/",
  publicDir: false,
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "built",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // An inlined file would be a data: URL that the page's policy refuses.
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        // Names that never change, since the server revalidates by ETag.
        entryFileNames: "assets/dashboard.js",
        assetFileNames: "assets/dashboard[extname]",
      },
    },
  },
})
