/**
 * Makes the images that tests, examples and benchmarks run, as `docker load` archives, out of Debian packages:
 * `bin/node scripts/make-test-images.ts [busybox] [redis] [nginx]`. They are kept in .cache/images/ and made anew when a
 * recipe changes; delete the folder to take newer packages.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { imageArchive } from "./test-images/archive.ts";
import { RECIPES } from "./test-images/recipes.ts";

const CACHE = join(import.meta.dirname, "../.cache/images");
const SOURCES = ["archive.ts", "packages.ts", "recipes.ts"];

/** The path of the image's archive, which is made when it is not there yet. Names: those of the recipes. */
export async function makeTestImage(name: string): Promise<string> {
  const recipe = Object.hasOwn(RECIPES, name) ? RECIPES[name] : undefined;
  if (!recipe) throw new Error(`no test image "${name}": there are ${Object.keys(RECIPES).join(", ")}`);
  const path = join(CACHE, `${name}-${await recipeHash()}.tar`);
  if (await stat(path).catch(() => undefined)) return path;
  const archive = await imageArchive(await recipe());
  await mkdir(CACHE, { recursive: true, mode: 0o700 });
  // Several test processes may make the same image: each writes a file of its own, the last one named stays.
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, archive);
  await rename(temporary, path);
  return path;
}

async function recipeHash(): Promise<string> {
  const hash = createHash("sha256").update(process.arch);
  for (const file of SOURCES) hash.update(await readFile(join(import.meta.dirname, "test-images", file)));
  return hash.digest("hex").slice(0, 12);
}

if (import.meta.main) {
  const names = process.argv.slice(2);
  for (const name of names.length ? names : Object.keys(RECIPES)) console.log(await makeTestImage(name));
}
