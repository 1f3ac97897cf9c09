/** A process that pulls an image, until it is killed. */
import { openImages } from "#images/open-images.ts";

const [dataDir = "", name = ""] = process.argv.slice(2);
const images = await openImages({ dataDir, workers: 2 });
await images.pull(name, {});
await images.close();
