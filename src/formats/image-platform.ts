import { GantryError } from "#base/errors.ts";
import type { Descriptor, Platform } from "./image-config.ts";

/** Names of architectures as people and package managers write them (github.com/containerd/platforms database.go). */
const ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ["x86_64", "amd64"],
  ["x86-64", "amd64"],
  ["x64", "amd64"],
  ["i386", "386"],
  ["ia32", "386"],
  ["aarch64", "arm64"],
  ["armhf", "arm"],
  ["armel", "arm"],
  ["ppc64el", "ppc64le"],
]);

const KNOWN_ARCHITECTURES = new Set(
  "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm".split(" "),
);
const KNOWN_SYSTEMS = new Set(
  "aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris wasip1 windows".split(" "),
);

/** The platform of this machine. */
export function hostPlatform(architecture: string = process.arch): Platform {
  return normalizePlatform({ os: "linux", architecture });
}

/** One spelling for each platform: lower case, Go's architecture names, no default variant. */
export function normalizePlatform(platform: Platform): Platform {
  const name = platform.architecture.toLowerCase();
  const architecture = ARCHITECTURES.get(name) ?? name;
  let variant = platform.variant?.toLowerCase() ?? "";
  if (/^\d$/.test(variant)) variant = `v${variant}`;
  if (name === "armel") variant ||= "v6";
  if (architecture === "arm") variant ||= "v7";
  if (architecture === "arm64" && variant === "v8") variant = "";
  if (architecture === "amd64" && variant === "v1") variant = "";
  return {
    ...platform,
    os: platform.os.toLowerCase(),
    architecture,
    ...(variant ? { variant } : { variant: undefined }),
  };
}

/**
 * Reads `os[/architecture[/variant]]` or a lone architecture, as --platform takes it.
 * Throws `invalid` in the words of containerd's platforms package.
 */
export function parsePlatform(text: string): Platform {
  const parts = text.split("/");
  for (const part of parts) {
    if (/^[A-Za-z0-9_.-]+$/.test(part)) continue;
    throw invalid(
      `${JSON.stringify(part)} is an invalid component of ${JSON.stringify(text)}: platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument`,
    );
  }
  const [first = "", architecture, variant] = parts;
  if (parts.length > 3) throw invalid(`${JSON.stringify(text)}: cannot parse platform specifier: invalid argument`);
  if (architecture !== undefined)
    return normalizePlatform({ os: first, architecture, ...(variant ? { variant } : {}) });
  if (KNOWN_SYSTEMS.has(first.toLowerCase())) return normalizePlatform({ ...hostPlatform(), os: first });
  const alone = normalizePlatform({ os: "linux", architecture: first });
  if (KNOWN_ARCHITECTURES.has(alone.architecture)) return alone;
  throw invalid(`${JSON.stringify(text)}: unknown operating system or architecture: invalid argument`);
}

function invalid(message: string): GantryError {
  return new GantryError("invalid", message);
}

/** `linux/amd64`, `linux/arm/v7`. */
export function formatPlatform(platform: Platform): string {
  const parts = [platform.os || "unknown", platform.architecture, platform.variant];
  return parts.filter((part) => part !== undefined && part !== "").join("/");
}

/** The platforms whose programs run on `platform`, the best first: older variants, and the 32-bit sibling. */
function runnable(platform: Platform): readonly Platform[] {
  const { os, architecture, variant } = normalizePlatform(platform);
  const steps = (name: string, from: number, to: number): Platform[] => {
    const list: Platform[] = [];
    for (let level = from; level >= to; level--) list.push({ os, architecture: name, variant: `v${level}` });
    return list;
  };
  const level = Number(variant?.slice(1) ?? NaN);
  if (architecture === "arm") return steps("arm", level || 7, 5);
  if (architecture === "arm64")
    return [...(level ? steps("arm64", level, 9) : []), { os, architecture }, ...steps("arm", 8, 5)];
  if (architecture === "amd64")
    return [...(level ? steps("amd64", level, 2) : []), { os, architecture }, { os, architecture: "386" }];
  return [{ os, architecture, ...(variant ? { variant } : {}) }];
}

/** How well `candidate` runs on `wanted`: 0 is best, larger is worse, undefined is not at all. */
export function platformRank(wanted: Platform, candidate: Platform): number | undefined {
  const other = normalizePlatform(candidate);
  const rank = runnable(wanted).findIndex(
    (one) =>
      one.os === other.os && one.architecture === other.architecture && (one.variant ?? "") === (other.variant ?? ""),
  );
  return rank < 0 ? undefined : rank;
}

/** The entry of an index that fits `wanted` best; entries without a platform fit when nothing else does. */
export function selectPlatform(manifests: readonly Descriptor[], wanted: Platform): Descriptor | undefined {
  let best: { descriptor: Descriptor; rank: number } | undefined;
  for (const descriptor of manifests) {
    const rank = descriptor.platform ? platformRank(wanted, descriptor.platform) : Number.MAX_SAFE_INTEGER;
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { descriptor, rank };
  }
  return best?.descriptor;
}
