/** Another engine builds the corpus: what it makes of each case, in the words of the golden files. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ask, contextFiles, plainConfig, treeOf, type CorpusCase } from "#test/build-corpus.ts";
import { run } from "#test/gantry.ts";

export interface Peer {
  /** A docker CLI with BuildKit inside (`DOCKER_BUILDKIT=1`), and its engine's socket. */
  readonly cli: string;
  readonly socket: string;
}

/** What a container has that its image has not. */
const OF_CONTAINERS = /^\S+ \S+ \S+ \/(\.dockerenv|dev(\/.*)?|proc|sys|etc\/(hosts|hostname|resolv\.conf|mtab))( |$)/;

export async function peerTree(peer: Peer, image: string): Promise<string[]> {
  const env = { ...process.env, DOCKER_HOST: `unix://${peer.socket}` };
  const created = await run(peer.cli, ["create", image, "x"], env);
  const id = created.stdout.trim();
  try {
    return await treeOf(await ask(peer.socket, "GET", `/containers/${id}/export`));
  } finally {
    await run(peer.cli, ["rm", id], env);
  }
}

/** Lines as golden.txt has them for configuration and files, or `error: ...`. */
export async function peerOutcome(peer: Peer, one: CorpusCase, base: ReadonlySet<string>): Promise<string[]> {
  const folder = mkdtempSync("/tmp/build-peer-");
  try {
    writeFileSync(join(folder, "Dockerfile"), one.dockerfile);
    for (const name of contextFiles(one)) {
      mkdirSync(join(folder, "context", dirname(name)), { recursive: true });
      copyFileSync(join(one.directory, "context", name), join(folder, "context", name));
    }
    if (!existsSync(join(folder, "context"))) mkdirSync(join(folder, "context"));
    return await buildAt(peer, one, folder, base);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const BUILD = "build --network none --progress plain -t".split(" ");

async function buildAt(peer: Peer, one: CorpusCase, folder: string, base: ReadonlySet<string>): Promise<string[]> {
  const { buildArgs = {}, labels = {}, target } = one.options;
  const image = `corpus:${one.name}`;
  const args = [
    ...BUILD,
    image,
    "-f",
    join(folder, "Dockerfile"),
    ...Object.entries(buildArgs).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
    ...Object.entries(labels).flatMap(([name, value]) => ["--label", `${name}=${value}`]),
    ...(target === undefined ? [] : ["--target", target]),
    join(folder, "context"),
  ];
  const env = { ...process.env, DOCKER_HOST: `unix://${peer.socket}`, DOCKER_BUILDKIT: "1" };
  const { code, stderr } = await run(peer.cli, args, env);
  if (code !== 0) return [`error: ${stderr.trim().split("\n").at(-1)}`];
  const inspected = await run(peer.cli, ["image", "inspect", image], env);
  const [document] = JSON.parse(inspected.stdout) as { Config: Record<string, unknown>; Author: string }[];
  const config = Object.entries(plainConfig(document?.Config ?? {})).map(
    ([name, value]) => `${name}: ${JSON.stringify(value)}`,
  );
  const author = document?.Author ? [`author: ${document.Author}`] : [];
  const tree = await peerTree(peer, image);
  return [...author, ...config, ...tree.filter((line) => !base.has(line) && !OF_CONTAINERS.test(line))];
}

/** What of a golden file a peer can be held against: warnings, history and what is gone have other forms. */
export function comparable(golden: string): string[] {
  const lines = golden.split("\n").filter((line) => line !== "");
  const error = lines.find((line) => line.startsWith("error: "));
  if (error !== undefined) return [error];
  return lines.filter((line) => /^(author|[A-Z]\w+): |^(file|directory|link|symlink|fifo) \d{4} /.test(line));
}
