import { GantryError, isGantryError } from "#base/errors.ts";
import { parseFlags } from "./dockerfile/flags.ts";
import type { Dockerfile, Instruction, Stage } from "./dockerfile-instruction.ts";
import { parseError, readLines, type RawInstruction } from "./dockerfile/lines.ts";
import { parseInstruction } from "./dockerfile/parse-instruction.ts";

/**
 * Parses a Dockerfile (docs.docker.com/reference/dockerfile) into stages of instructions. Variables are not yet put in: that is the
 * build's. Throws `invalid` as `dockerfile parse error on line N: ...`, with `line` in the details.
 */
export function parseDockerfile(text: string): Dockerfile {
  const { instructions, escape, directives, warnings } = readLines(text);
  const metaArgs: { name: string; value?: string }[] = [];
  const stages: { stage: Omit<Stage, "instructions">; instructions: Instruction[] }[] = [];
  for (const raw of instructions) {
    atLine(raw, () => {
      if (raw.name === "from") {
        stages.push({ stage: parseFrom(raw), instructions: [] });
        return;
      }
      const body = parseInstruction(raw, escape);
      const current = stages.at(-1);
      if (current) current.instructions.push({ ...body, location: raw.location, original: raw.original });
      else if (body.kind === "arg") metaArgs.push(...body.args);
      else throw new GantryError("invalid", "no build stage in current context");
    });
  }
  if (stages.length === 0) throw new GantryError("invalid", "dockerfile contains no stages to build");
  return {
    metaArgs,
    stages: stages.map(({ stage, instructions: own }) => ({ ...stage, instructions: own })),
    escape,
    directives,
    warnings,
  };
}

/** One instruction on its own: an ONBUILD trigger, a `--change` of commit or import. Throws `invalid` in BuildKit's words. */
export function parseSingleInstruction(text: string): Instruction {
  const { instructions, escape } = readLines(text);
  const [raw, ...others] = instructions;
  if (!raw || others.length > 0) throw new GantryError("invalid", `exactly one instruction expected: ${text}`);
  return { ...parseInstruction(raw, escape), location: raw.location, original: raw.original };
}

function parseFrom(raw: RawInstruction): Omit<Stage, "instructions"> {
  const flags = parseFlags(raw.flags, { texts: ["platform"] });
  const words = raw.rest.split(/\s+/).filter((word) => word !== "");
  const [base = "", as = "", given] = words;
  if (words.length !== 1 && !(words.length === 3 && as.toLowerCase() === "as")) {
    throw new GantryError("invalid", "FROM requires either one or three arguments");
  }
  const name = given?.toLowerCase();
  if (given !== undefined && !/^[a-z][a-z0-9-_.]*$/.test(name ?? "")) {
    throw new GantryError(
      "invalid",
      `invalid name for build stage: ${JSON.stringify(given)}, name can't start with a number or contain symbols`,
    );
  }
  return { base, name, platform: flags.text("platform"), location: raw.location, original: raw.original };
}

function atLine(raw: RawInstruction, run: () => void): void {
  try {
    run();
  } catch (error) {
    if (isGantryError(error, "invalid")) throw parseError(raw.location.start, error.message);
    throw error;
  }
}
