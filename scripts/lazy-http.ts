import type { Plugin } from "esbuild";

/**
 * `import "node:http"` reads every export of it, WebSocket too, and with that loads the whole of undici: 16 MiB and as long as Node itself takes to start.
 * Asked for as a builtin, it loads what is used.
 */
export const lazyHttp: Plugin = {
  name: "lazy-http",
  setup(build) {
    build.onResolve({ filter: /^(node:)?http$/ }, ({ kind }) =>
      kind === "import-statement" || kind === "dynamic-import"
        ? { path: "node:http", namespace: "builtin", sideEffects: false }
        : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
      loader: "js",
    }));
  },
};
