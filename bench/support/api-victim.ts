// The server of the API benchmark, in a process of its own: an API server on a SQLite file with the controllers, no nodes and no scheduler.
// argv: the file, the bundle, and "bare" for one without controllers. Says where it is once it answers; tells its memory and its longest pauses when asked, and writes CPU profiles.
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { pathToFileURL } from "node:url";
import type * as Library from "../../src/main/index.ts";

const [file = "", library = "", bare] = process.argv.slice(2);
const started = performance.now();
const { createCluster } = (await import(pathToFileURL(library).href)) as typeof Library;
const cluster = await createCluster({
  store: { file },
  scheduler: false,
  listen: true,
  ...(bare ? { controllers: [] } : {}),
});
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();

const session = new Session();

process.on(
  "message",
  (question: "memory" | "processor" | "pauses" | "profile" | "close" | { readonly profile: string }) => {
    if (question === "memory") {
      process.send?.({ memoryBytes: process.memoryUsage.rss() });
    } else if (question === "processor") {
      const { user, system } = process.cpuUsage();
      process.send?.({ processorMs: (user + system) / 1000 });
    } else if (question === "profile") {
      session.connect();
      void session.post("Profiler.enable").then(() => session.post("Profiler.start"));
      process.send?.({});
    } else if (typeof question === "object") {
      void session.post("Profiler.stop").then(({ profile }) => {
        writeFileSync(question.profile, JSON.stringify(profile));
        session.disconnect();
        process.send?.({});
      });
    } else if (question === "pauses") {
      process.send?.({ longestMs: delay.max / 1e6 });
      delay.reset();
    } else void cluster.close().then(() => process.disconnect?.());
  },
);
process.send?.({ url: cluster.url, kubeconfig: cluster.kubeconfig, readyMs: performance.now() - started });
