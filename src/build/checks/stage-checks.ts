import type { BuildWarning } from "#formats/build-events.ts";
import type { Dockerfile, Instruction, Stage } from "#formats/dockerfile-instruction.ts";
import { warningOf } from "./rules.ts";

/** Checks of FROM lines and of stages as wholes. */
export function checkStages(file: Dockerfile, automatic: ReadonlySet<string>): BuildWarning[] {
  const seen = new Set<string>();
  return file.stages.flatMap((stage) => [
    ...checkName(stage, seen),
    ...checkArgsOf(file, stage, automatic),
    ...checkPlatform(stage),
    ...checkRepeats(stage),
    ...checkWorkdirs(stage),
  ]);
}

function checkName({ original, name, location }: Stage, seen: Set<string>): BuildWarning[] {
  const [from = "", as = "", written = ""] = /^(from)\s.*\s(as)\s+(\S+)$/i.exec(original)?.slice(1) ?? [];
  if (name === undefined) return [];
  const { start } = location;
  const found: BuildWarning[] = [];
  if (written !== written.toLowerCase())
    found.push(warningOf("StageNameCasing", start, `Stage name '${written}' should be lowercase`));
  if (isUpper(from) !== isUpper(as))
    found.push(warningOf("FromAsCasing", start, `'${as}' and '${from}' keywords' casing do not match`));
  if (seen.has(name))
    found.push(
      warningOf(
        "DuplicateStageName",
        start,
        `Duplicate stage name ${JSON.stringify(name)}, stage names should be unique`,
      ),
    );
  seen.add(name);
  if (name === "scratch" || name === "context")
    found.push(
      warningOf(
        "ReservedStageName",
        start,
        `Stage name should not use the same name as reserved stage ${JSON.stringify(name)}`,
      ),
    );
  return found;
}

function isUpper(text: string): boolean {
  return text === text.toUpperCase();
}

function checkArgsOf(
  file: Dockerfile,
  { base, platform, location }: Stage,
  automatic: ReadonlySet<string>,
): BuildWarning[] {
  const declared = new Set([...automatic, ...file.metaArgs.map(({ name }) => name)]);
  return variablesIn(`${base} ${platform ?? ""}`)
    .filter(({ name, hasDefault }) => !declared.has(name) && !hasDefault)
    .map(({ name }) =>
      warningOf(
        "UndefinedArgInFrom",
        location.start,
        `FROM argument '${name}' is not declared${similar(name, declared)}`,
      ),
    );
}

/** Variables that a text uses; `hasDefault` when it says what stands for one that is not set. */
export function variablesIn(text: string): { readonly name: string; readonly hasDefault: boolean }[] {
  return [...text.matchAll(/(?<!\\)\$(?:(\w+)|\{(\w+)(:?[-+?])?)/g)]
    .map(([, plain, braced, modifier]) => ({ name: plain ?? braced ?? "", hasDefault: modifier !== undefined }))
    .filter(({ name }) => /^[A-Za-z_]/.test(name));
}

/** ` (did you mean ...?)` for a name that differs from a known one by two letters at most. */
export function similar(name: string, known: Iterable<string>): string {
  const best = [...known]
    .map((each) => ({ each, distance: distance(name.toLowerCase(), each.toLowerCase()) }))
    .filter(({ each, distance: far }) => far <= 2 && each.length > 2)
    .toSorted((a, b) => a.distance - b.distance)[0];
  return best ? ` (did you mean ${best.each}?)` : "";
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replace));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function checkPlatform({ platform, location }: Stage): BuildWarning[] {
  if (platform === undefined) return [];
  if (/^\$\{?TARGETPLATFORM\}?$/.test(platform))
    return [
      warningOf(
        "RedundantTargetPlatform",
        location.start,
        `Setting platform to predefined ${platform} in FROM is redundant as this is the default behavior`,
      ),
    ];
  if (platform.includes("$")) return [];
  return [
    warningOf(
      "FromPlatformFlagConstDisallowed",
      location.start,
      `FROM --platform flag should not use constant value ${JSON.stringify(platform)}`,
    ),
  ];
}

/** Only the last of several CMD, ENTRYPOINT or HEALTHCHECK counts. */
function checkRepeats({ instructions }: Stage): BuildWarning[] {
  return (["cmd", "entrypoint", "healthcheck"] as const).flatMap((kind) =>
    instructions
      .filter((instruction) => instruction.kind === kind)
      .slice(0, -1)
      .map(({ location }) =>
        warningOf(
          "MultipleInstructionsDisallowed",
          location.start,
          `Multiple ${kind.toUpperCase()} instructions should not be used in the same stage because only the last one will be used`,
        ),
      ),
  );
}

function checkWorkdirs({ instructions }: Stage): BuildWarning[] {
  let absolute = false;
  return instructions.flatMap((instruction): BuildWarning[] => {
    if (instruction.kind !== "workdir") return [];
    if (/^["']?[/$]/.test(instruction.value)) absolute = true;
    if (absolute) return [];
    const text = `Relative workdir ${JSON.stringify(instruction.value)} can have unexpected results if the base image changes`;
    return [warningOf("WorkdirRelativePath", instruction.location.start, text)];
  });
}

/** Instructions that are not written as most are. */
export function checkCasing(file: Dockerfile): BuildWarning[] {
  const all: { original: string; location: Instruction["location"] }[] = file.stages.flatMap((stage) => [
    stage,
    ...stage.instructions,
  ]);
  const words = all.map(({ original, location }) => ({ word: original.split(/\s/, 1)[0] ?? "", line: location.start }));
  const lower = words.filter(({ word }) => word === word.toLowerCase()).length;
  const upper = words.filter(({ word }) => isUpper(word)).length;
  const wanted = lower > upper ? "lowercase" : "uppercase";
  return words
    .filter(({ word }) => (wanted === "lowercase" ? word !== word.toLowerCase() : !isUpper(word)))
    .map(({ word, line }) =>
      warningOf(
        "ConsistentInstructionCasing",
        line,
        `Command '${word}' should match the case of the command majority (${wanted})`,
      ),
    );
}
