/** An engine in a process of its own, to be killed: opens on a root, makes the containers it is told of, says their ids, and stays. */
import { silentLogger } from "#base/logger.ts";
import type { ContainerConfig } from "#containers/engine.ts";
import { openEngineOn } from "./engine.ts";

const [root = "", configs = "[]"] = process.argv.slice(2);
const { engine } = await openEngineOn(root, silentLogger);
const ids: string[] = [];
for (const config of JSON.parse(configs) as ContainerConfig[]) {
  const { id } = await engine.create(config);
  await engine.start(id);
  ids.push(id);
}
console.log(JSON.stringify(ids));
setInterval(() => undefined, 60_000);
