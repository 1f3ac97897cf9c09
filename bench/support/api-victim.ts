// The server of the API benchmark, in a process of its own: an API server on a SQLite file with the controllers, no nodes and no scheduler.
// argv: the file. Says where it is once it answers; tells its memory and its longest pauses when asked.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { pathToFileURL } from "node:url";

const [file = "", library = ""] = process.argv.slice(2);
const started = performance.now();
const { createCluster } = (await import(pathToFileURL(library).href)) as typeof import("../../src/main/index.ts");
const cluster = await createCluster({ store: { file }, scheduler: false, listen: true });
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();

process.on("message", (question: "memory" | "pauses" | "close") => {
  if (question === "memory") {
    globalThis.gc?.();
    process.send?.({ memoryBytes: process.memoryUsage.rss() });
  } else if (question === "pauses") {
    process.send?.({ longestMs: delay.max / 1e6 });
    delay.reset();
  } else void cluster.close().then(() => process.disconnect());
});
process.send?.({ url: cluster.url, kubeconfig: cluster.kubeconfig, readyMs: performance.now() - started });
