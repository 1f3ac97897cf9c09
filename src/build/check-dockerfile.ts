import { isGantryError } from "#base/errors.ts";
import type { BuildWarning } from "#formats/build-events.ts";
import { expandWord } from "#formats/dockerfile-expand.ts";
import type { Dockerfile, Instruction, Stage } from "#formats/dockerfile-instruction.ts";
import type { Ignore } from "#formats/dockerignore.ts";
import { parseReference } from "#formats/reference.ts";
import { checkInstruction } from "./checks/instruction-checks.ts";
import { RULES, warningOf } from "./checks/rules.ts";
import { checkCasing, checkStages, similar, variablesIn } from "./checks/stage-checks.ts";

export interface CheckInput {
  readonly text: string;
  /** ARGs before the first FROM and those of the platform, with their values. */
  readonly meta: ReadonlyMap<string, string>;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly ignore: Ignore;
  /** The variables of a base image that is here; undefined: not known. */
  readonly baseEnv: (reference: string) => readonly string[] | undefined;
}

export interface CheckResult {
  readonly warnings: readonly BuildWarning[];
  /** The Dockerfile says that a check that does not pass ends the build. */
  readonly isError: boolean;
}

/** Build checks: what works, and should be written otherwise. `# check=skip=Rule,Rule;error=true` is heeded. Throws `invalid` for another. */
export function checkDockerfile(file: Dockerfile, input: CheckInput): CheckResult {
  const { skip, isError } = readDirective(file.directives["check"]);
  const automatic = new Set([...input.meta.keys()].filter((name) => !file.metaArgs.some((arg) => arg.name === name)));
  const warnings = [
    ...emptyContinuations(input.text, file),
    ...checkStages(file, automatic),
    ...checkCasing(file),
    ...checkDefaultBases(file, automatic),
    ...file.stages.flatMap(({ instructions }) => {
      const hasShell = instructions.some(({ kind }) => kind === "shell");
      return instructions.flatMap((instruction) => checkInstruction(instruction, input.ignore, hasShell));
    }),
    ...checkVariables(file, input),
  ];
  return {
    warnings: warnings.filter(({ rule }) => !skip.has(rule) && !skip.has("all")).toSorted((a, b) => a.line - b.line),
    isError,
  };
}

function readDirective(text: string | undefined): { skip: ReadonlySet<string>; isError: boolean } {
  const skip = new Set<string>();
  let isError = false;
  for (const part of (text ?? "").split(";").filter((each) => each.trim() !== "")) {
    const [key = "", value = ""] = part.split("=").map((each) => each.trim());
    if (key === "skip") {
      for (const rule of value.split(",").map((each) => each.trim()))
        skip.add(Object.keys(RULES).find((name) => name.toLowerCase() === rule.toLowerCase()) ?? rule);
    } else if (key === "error") isError = value.toLowerCase() === "true" || value === "1";
  }
  return { skip, isError };
}

/** Blank lines inside of an instruction; the parser has let them pass. */
function emptyContinuations(text: string, file: Dockerfile): BuildWarning[] {
  const lines = text.split(/\r?\n/);
  return file.stages
    .flatMap((stage) => [stage, ...stage.instructions])
    .filter((part) => !("command" in part && part.command.form === "shell" && part.command.heredocs.length > 0))
    .filter((part) => !("inline" in part && part.inline.length > 0))
    .filter(({ location: { start, end } }) => lines.slice(start - 1, end).some((line) => line.trim() === ""))
    .map(({ location: { end } }) => warningOf("NoEmptyContinuation", end, "Empty continuation line"));
}

/** A FROM whose ARGs have no default that is a name. */
function checkDefaultBases(file: Dockerfile, automatic: ReadonlySet<string>): BuildWarning[] {
  const defaults = new Map<string, string>();
  for (const { name, value } of file.metaArgs)
    if (value !== undefined)
      defaults.set(
        name,
        expandWord(value, (key) => defaults.get(key), file.escape),
      );
  return file.stages.flatMap(({ base, location }): BuildWarning[] => {
    const used = variablesIn(base);
    const declared = used.every(({ name }) => file.metaArgs.some((arg) => arg.name === name) && !automatic.has(name));
    if (used.length === 0 || !declared) return [];
    if (isName(expandWord(base, (name) => defaults.get(name), file.escape))) return [];
    const text = `Default value for ARG ${base} results in empty or invalid base image name`;
    return [warningOf("InvalidDefaultArgInFrom", location.start, text)];
  });
}

function isName(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch (error) {
    if (isGantryError(error, "invalid")) return false;
    throw error;
  }
}

/** Variables that nothing has set. Stages on images that are not here are passed over: what those set is not known yet. */
function checkVariables(file: Dockerfile, input: CheckInput): BuildWarning[] {
  const ends = new Map<string, ReadonlySet<string>>();
  return file.stages.flatMap((stage, index) => {
    const base = expandWord(stage.base, (name) => input.meta.get(name), file.escape);
    const env = base === "scratch" ? [] : input.baseEnv(base)?.map((line) => line.split("=", 1)[0] ?? "");
    const begin = ends.get(base.toLowerCase()) ?? (env && new Set(env));
    if (!begin) return [];
    const known = new Set([...begin, "PATH", ...PROXIES]);
    const found = stage.instructions.flatMap((instruction) => checkUses(instruction, known));
    for (const name of [stage.name, String(index)]) if (name !== undefined) ends.set(name, known);
    return found;
  });
}

const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

function checkUses(instruction: Stage["instructions"][number], known: Set<string>): BuildWarning[] {
  const found = textsOf(instruction)
    .flatMap(variablesIn)
    .filter(({ name, hasDefault }) => !hasDefault && !known.has(name))
    .map(({ name }) =>
      warningOf(
        "UndefinedVar",
        instruction.location.start,
        `Usage of undefined variable '$${name}'${similar(name, known)}`,
      ),
    );
  if (instruction.kind === "arg") for (const { name } of instruction.args) known.add(name);
  if (instruction.kind === "env") for (const { name } of instruction.pairs) known.add(name);
  return found;
}

/** Where variables are put in: commands are the shell's. */
function textsOf(instruction: Instruction): string[] {
  switch (instruction.kind) {
    case "env":
    case "label":
      return instruction.pairs.flatMap(({ name, value }) => (value.startsWith("'") ? [name] : [name, value]));
    case "arg":
      return instruction.args.flatMap(({ value }) => value ?? []);
    case "user":
    case "workdir":
    case "stopsignal":
      return [instruction.value];
    case "copy":
    case "add":
      return [
        ...instruction.sources,
        instruction.target,
        instruction.options.chown ?? "",
        instruction.options.chmod ?? "",
      ];
    case "expose":
      return [...instruction.ports];
    case "volume":
      return [...instruction.paths];
    default:
      return [];
  }
}
