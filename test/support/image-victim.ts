/**
 * A process that works on images until it is killed: loads, commits, tags, makes and removes snapshots, removes images. It says on
 * its standard output what has been acknowledged to it, one JSON line each.
 */
import { openImages } from "#images/open-images.ts";
import { savedImages, streamOf, tarOf } from "./image-lab.ts";

const [dataDir = "", seed = "0"] = process.argv.slice(2);
const say = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`);
const images = await openImages({ dataDir, workers: 2 });
const base = tarOf([{ path: "base", data: Buffer.alloc(300_000, 1) }]);
say({ kind: "open" });
for (let round = 0; ; round++) {
  const name = `run${seed}-${round}:1`;
  const layer = tarOf([
    { path: "own", data: name },
    { path: "big", data: Buffer.alloc(200_000, round) },
  ]);
  await images.load(streamOf(savedImages([{ tags: [name], layers: [base, layer] }])));
  const { id } = images.get(name);
  say({ kind: "loaded", name, id });
  await images.createSnapshot(`s${seed}-${round}`, id);
  say({ kind: "snapshot", id: `s${seed}-${round}` });
  await images.commitLayer(streamOf(layer), images.get(name).config, id, `${name.slice(0, -2)}:2`);
  say({ kind: "loaded", name: `${name.slice(0, -2)}:2`, id: images.get(`${name.slice(0, -2)}:2`).id });
  if (round % 2 === 1) {
    say({ kind: "removing", id: `s${seed}-${round}` });
    await images.removeSnapshot(`s${seed}-${round}`);
  }
  if (round % 3 === 2) {
    for (const tag of ["2", "1"]) {
      say({ kind: "removing", name: `run${seed}-${round}:${tag}` });
      await images.remove(`run${seed}-${round}:${tag}`, { force: true, prune: true });
      say({ kind: "removed", name: `run${seed}-${round}:${tag}` });
    }
  }
}
