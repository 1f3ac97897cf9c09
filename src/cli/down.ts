import type { Places } from "#base/places.ts";
import { requestStop } from "./control-client.ts";
import type { CliPorts } from "./ports.ts";

/** `gantry down`: stops Gantry and, unless they are to be kept, what it runs. Fine when nothing runs. */
export async function down(
  ports: CliPorts,
  places: Places,
  options: { keepContainers: boolean; timeout: number },
): Promise<number> {
  const stopped = await requestStop(places, { containers: !options.keepContainers, timeoutSeconds: options.timeout });
  if (!stopped) ports.out.write("Gantry was not running.\n");
  else if (options.keepContainers)
    ports.out.write("Gantry stopped; its containers run on and are adopted at the next 'gantry up'.\n");
  else ports.out.write("Gantry stopped, and its containers with it.\n");
  return 0;
}
