import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "#base/clock.ts";
import { GantryError } from "#base/errors.ts";
import { keyedSerial } from "#base/serial.ts";
import type { Digest } from "#formats/digest.ts";
import type { ContentStore } from "#images/content-store.ts";
import { replaceFile } from "#images/durable-files.ts";

/** What a repository has. */
export interface Repository {
  readonly name: string;
  readonly tags: ReadonlyMap<string, Digest>;
  readonly manifests: ReadonlyMap<Digest, ManifestRecord>;
  /** Blobs that may be read here, and since when (epoch milliseconds). */
  readonly blobs: ReadonlyMap<Digest, number>;
}

export interface ManifestRecord {
  readonly mediaType: string;
  readonly size: number;
  /** The manifest that this one is about, and what it then is. */
  readonly subject?: Digest;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Blobs and manifests that it needs. */
  readonly needs: readonly Digest[];
}

/** A repository while it is changed. */
export interface RepositoryDraft {
  readonly tags: Map<string, Digest>;
  readonly manifests: Map<Digest, ManifestRecord>;
  readonly blobs: Map<Digest, number>;
}

export interface Repositories {
  get(name: string): Repository | undefined;
  names(): readonly string[];
  /** Changes a repository, which is made when missing; resolves when the change is on the disk. An empty one is gone. */
  change<T>(name: string, change: (draft: RepositoryDraft) => T): Promise<T>;
  /** Lets go of blobs that no manifest needs and that came before `olderThanMs` ago. */
  collect(olderThanMs: number): Promise<void>;
}

/** Repositories, and tags and manifests of one: beyond that the registry refuses. */
const LIMITS = { repositories: 100_000, tags: 100_000, manifests: 100_000, blobs: 1_000_000 };

interface Stored {
  readonly name: string;
  readonly tags: readonly [string, Digest][];
  readonly manifests: readonly [Digest, ManifestRecord][];
  readonly blobs: readonly [Digest, number][];
}

/** A document for each repository in `folder`; what they have is held in the content store. */
export async function openRepositories(folder: string, content: ContentStore, clock: Clock): Promise<Repositories> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const known = new Map<string, Repository>();
  for (const file of await readdir(folder)) {
    if (!file.endsWith(".json")) continue;
    const { name, tags, manifests, blobs } = JSON.parse(await readFile(join(folder, file), "utf8")) as Stored;
    known.set(name, { name, tags: new Map(tags), manifests: new Map(manifests), blobs: new Map(blobs) });
  }
  for (const owner of content.holders().keys()) {
    if (owner.startsWith(HOLDER) && !known.has(owner.slice(HOLDER.length))) await content.hold(owner, []);
  }
  const serial = keyedSerial();
  const change = <T>(name: string, act: (draft: RepositoryDraft) => T): Promise<T> =>
    serial.run(name, async () => {
      const before = known.get(name);
      if (!before && known.size >= LIMITS.repositories)
        throw new GantryError("too-large", "there are too many repositories");
      const draft = {
        name,
        tags: new Map(before?.tags),
        manifests: new Map(before?.manifests),
        blobs: new Map(before?.blobs),
      };
      const result = act(draft);
      checkLimits(draft);
      await save(folder, content, draft);
      if (isEmpty(draft)) known.delete(name);
      else known.set(name, draft);
      return result;
    });
  return {
    get: (name) => known.get(name),
    names: () => [...known.keys()].sort(),
    change,
    async collect(olderThanMs) {
      const limit = clock.now() - olderThanMs;
      for (const name of Array.from(known.keys()))
        if (hasGarbage(known.get(name), limit)) await change(name, (draft) => drop(draft, limit));
      await content.collect();
    },
  };
}

const HOLDER = "registry/";

function checkLimits({ tags, manifests, blobs }: RepositoryDraft): void {
  if (tags.size > LIMITS.tags || manifests.size > LIMITS.manifests || blobs.size > LIMITS.blobs) {
    throw new GantryError("too-large", "the repository has too many tags, manifests or blobs");
  }
}

function isEmpty({ tags, manifests, blobs }: Repository): boolean {
  return tags.size + manifests.size + blobs.size === 0;
}

/** Held before it is written down, and let go after: what the document names is always there. */
async function save(folder: string, content: ContentStore, repository: Repository): Promise<void> {
  const { name, tags, manifests, blobs } = repository;
  const owner = HOLDER + name;
  const path = join(folder, `${createHash("sha256").update(name).digest("hex")}.json`);
  const wanted = new Set([...manifests.keys(), ...blobs.keys()]);
  const held = content.holders().get(owner) ?? new Set();
  const grown = Array.from(wanted).some((digest) => !held.has(digest));
  if (grown) await content.hold(owner, new Set([...held, ...wanted]));
  if (isEmpty(repository)) await rm(path, { force: true });
  else {
    const stored: Stored = { name, tags: [...tags], manifests: [...manifests], blobs: [...blobs] };
    await replaceFile(path, JSON.stringify(stored));
  }
  if (Array.from(held).some((digest) => !wanted.has(digest))) await content.hold(owner, wanted);
}

function needed({ manifests }: Repository | RepositoryDraft): Set<Digest> {
  return new Set(Array.from(manifests.values(), ({ needs }) => needs).flat());
}

function hasGarbage(repository: Repository | undefined, limit: number): boolean {
  if (!repository) return false;
  const wanted = needed(repository);
  return Array.from(repository.blobs).some(([digest, since]) => since < limit && !wanted.has(digest));
}

function drop(draft: RepositoryDraft, limit: number): void {
  const wanted = needed(draft);
  for (const [digest, since] of draft.blobs) if (since < limit && !wanted.has(digest)) draft.blobs.delete(digest);
}
