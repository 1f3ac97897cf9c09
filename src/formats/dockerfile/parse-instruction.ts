import { GantryError } from "#base/errors.ts";
import { parseFlags } from "./flags.ts";
import { parseHeredoc } from "./heredoc.ts";
import type { CommandLine, CopyOptions, InlineFile, InstructionBody } from "../dockerfile-instruction.ts";
import { parseHealthcheck } from "./parse-healthcheck.ts";
import type { RawInstruction } from "./lines.ts";
import { parseJsonForm, parsePairs, splitWords } from "./words.ts";

/** One instruction's meaning. Throws `invalid` in BuildKit's words (frontend/dockerfile/instructions), without the line. */
export function parseInstruction(raw: RawInstruction, escape: string): InstructionBody {
  const parse = PARSERS[raw.name];
  if (!parse)
    throw new GantryError("invalid", `unknown instruction: ${raw.original.split(/\s/, 1)[0]}`, {
      instruction: raw.name,
    });
  return parse(raw, escape);
}

type Parse = (raw: RawInstruction, escape: string) => InstructionBody;

const PARSERS: Readonly<Record<string, Parse>> = Object.assign(Object.create(null) as Record<string, Parse>, {
  add: (raw: RawInstruction) => copyInstruction(raw, "add"),
  arg: argInstruction,
  cmd: (raw: RawInstruction) => commandInstruction(raw, "cmd"),
  copy: (raw: RawInstruction) => copyInstruction(raw, "copy"),
  entrypoint: (raw: RawInstruction) => commandInstruction(raw, "entrypoint"),
  env: (raw: RawInstruction, escape: string) => ({ kind: "env", pairs: pairsOf(raw, escape, "ENV") }),
  expose: (raw: RawInstruction) => ({ kind: "expose", ports: listOf(raw, "EXPOSE") }),
  healthcheck: (raw: RawInstruction) => ({ kind: "healthcheck", healthcheck: parseHealthcheck(raw) }),
  label: (raw: RawInstruction, escape: string) => ({ kind: "label", pairs: pairsOf(raw, escape, "LABEL") }),
  maintainer: (raw: RawInstruction) => ({ kind: "maintainer", value: valueOf(raw, "MAINTAINER") }),
  onbuild: onbuildInstruction,
  run: runInstruction,
  shell: shellInstruction,
  stopsignal: (raw: RawInstruction) => ({ kind: "stopsignal", value: valueOf(raw, "STOPSIGNAL") }),
  user: (raw: RawInstruction) => ({ kind: "user", value: valueOf(raw, "USER") }),
  volume: volumeInstruction,
  workdir: (raw: RawInstruction) => ({ kind: "workdir", value: valueOf(raw, "WORKDIR") }),
} satisfies Record<string, Parse>);

function noFlags(raw: RawInstruction): void {
  parseFlags(raw.flags, {});
}

function pairsOf(raw: RawInstruction, escape: string, instruction: string): ReturnType<typeof parsePairs> {
  noFlags(raw);
  return parsePairs(raw.rest, escape, instruction);
}

function valueOf(raw: RawInstruction, instruction: string): string {
  noFlags(raw);
  if (raw.rest === "") throw new GantryError("invalid", `${instruction} requires exactly one argument`);
  return raw.rest;
}

function listOf(raw: RawInstruction, instruction: string): string[] {
  noFlags(raw);
  const words = raw.rest.split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) throw new GantryError("invalid", `${instruction} requires at least one argument`);
  return words;
}

function argInstruction(raw: RawInstruction, escape: string): InstructionBody {
  noFlags(raw);
  const words = splitWords(raw.rest, escape);
  if (words.length === 0) throw new GantryError("invalid", "ARG requires at least one argument");
  const args = words.map((word) => {
    const at = word.indexOf("=");
    if (at === 0) throw new GantryError("invalid", "ARG names can not be blank");
    return at < 0 ? { name: word } : { name: word.slice(0, at), value: word.slice(at + 1) };
  });
  return { kind: "arg", args };
}

/** The exec form when it is a JSON array, else the shell form with its here-documents. */
export function commandOf(raw: RawInstruction): CommandLine {
  const args = parseJsonForm(raw.rest);
  return args ? { form: "exec", args } : { form: "shell", text: raw.rest, heredocs: raw.heredocs };
}

function commandInstruction(raw: RawInstruction, kind: "cmd" | "entrypoint"): InstructionBody {
  noFlags(raw);
  return { kind, command: commandOf(raw) };
}

function runInstruction(raw: RawInstruction): InstructionBody {
  const flags = parseFlags(raw.flags, { texts: ["network", "security"], lists: ["mount", "device"] });
  if (flags.all("device").length > 0)
    throw new GantryError("unsupported", "RUN --device is not supported", { flag: "device" });
  const network = flags.text("network");
  const security = flags.text("security");
  if (raw.rest === "") throw new GantryError("invalid", "RUN requires at least one argument");
  return {
    kind: "run",
    command: commandOf(raw),
    mounts: flags.all("mount"),
    ...(network !== undefined && { network }),
    ...(security !== undefined && { security }),
  };
}

function shellInstruction(raw: RawInstruction): InstructionBody {
  noFlags(raw);
  const shell = parseJsonForm(raw.rest);
  if (!shell) throw new GantryError("invalid", "SHELL requires the arguments to be in JSON form");
  if (shell.length === 0) throw new GantryError("invalid", "SHELL requires at least one argument");
  return { kind: "shell", shell };
}

function volumeInstruction(raw: RawInstruction): InstructionBody {
  noFlags(raw);
  const paths = parseJsonForm(raw.rest) ?? listOf(raw, "VOLUME");
  if (paths.length === 0) throw new GantryError("invalid", "VOLUME requires at least one argument");
  if (paths.some((path) => path.trim() === ""))
    throw new GantryError("invalid", "VOLUME specified can not be an empty string");
  return { kind: "volume", paths };
}

function onbuildInstruction(raw: RawInstruction): InstructionBody {
  const trigger = (raw.rest.split(/\s/, 1)[0] ?? "").toUpperCase();
  if (trigger === "") throw new GantryError("invalid", "ONBUILD requires at least one argument");
  if (trigger === "ONBUILD") throw new GantryError("invalid", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger === "MAINTAINER" || trigger === "FROM")
    throw new GantryError("invalid", `${trigger} isn't allowed as an ONBUILD trigger`);
  return { kind: "onbuild", expression: raw.rest };
}

function copyInstruction(raw: RawInstruction, kind: "copy" | "add"): InstructionBody {
  const words = parseJsonForm(raw.rest) ?? raw.rest.split(/\s+/).filter((word) => word !== "");
  const name = kind.toUpperCase();
  const options = copyOptions(raw, kind);
  if (words.length < 2)
    throw new GantryError(
      "invalid",
      `${name} requires at least two arguments, but only ${words.length} were provided. Destination could not be determined`,
    );
  const target = words.at(-1) ?? "";
  if (parseHeredoc(target)) throw new GantryError("invalid", `${name} cannot accept a heredoc as a destination`);
  const sources: string[] = [];
  const inline: InlineFile[] = [];
  for (const word of words.slice(0, -1)) {
    const heredoc = parseHeredoc(word);
    const read = heredoc && raw.heredocs.find((each) => each.name === heredoc.name);
    if (read) inline.push({ name: read.name, content: read.content, expand: read.expand });
    else sources.push(word);
  }
  return { kind, sources, inline, target, options };
}

function copyOptions(raw: RawInstruction, kind: "copy" | "add"): CopyOptions {
  const shared = { texts: ["chown", "chmod"], lists: ["exclude"], booleans: ["link"] };
  const own =
    kind === "copy"
      ? { ...shared, texts: [...shared.texts, "from"], booleans: [...shared.booleans, "parents"] }
      : { ...shared, texts: [...shared.texts, "checksum"], booleans: [...shared.booleans, "keep-git-dir", "unpack"] };
  const flags = parseFlags(raw.flags, own);
  const [from, chown, chmod, checksum, unpack] = [
    flags.text("from"),
    flags.text("chown"),
    flags.text("chmod"),
    flags.text("checksum"),
    flags.isSet("unpack"),
  ];
  return {
    ...(from !== undefined && { from }),
    ...(chown !== undefined && { chown }),
    ...(chmod !== undefined && { chmod }),
    ...(checksum !== undefined && { checksum }),
    ...(unpack !== undefined && { unpack }),
    link: flags.isSet("link") ?? false,
    parents: flags.isSet("parents") ?? false,
    exclude: flags.all("exclude"),
    keepGitDir: flags.isSet("keep-git-dir") ?? false,
  };
}
