import type { BuildWarning } from "#formats/build-events.ts";
import type { Instruction } from "#formats/dockerfile-instruction.ts";
import type { Ignore } from "#formats/dockerignore.ts";
import { warningOf } from "./rules.ts";

/** Checks of one instruction by itself. */
export function checkInstruction(instruction: Instruction, ignore: Ignore, hasShell: boolean): BuildWarning[] {
  const { start } = instruction.location;
  switch (instruction.kind) {
    case "maintainer":
      return [warningOf("MaintainerDeprecated", start, "Maintainer instruction is deprecated in favor of using label")];
    case "cmd":
    case "entrypoint": {
      // A stage with a SHELL of its own means the shell form.
      if (instruction.command.form === "exec" || hasShell) return [];
      const name = instruction.kind.toUpperCase();
      const text = `JSON arguments recommended for ${name} to prevent unintended behavior related to OS signals`;
      return [warningOf("JSONArgsRecommended", start, text)];
    }
    case "env":
      return [...checkOldForm(instruction), ...checkSecrets("ENV", start, instruction.pairs)];
    case "label":
      return checkOldForm(instruction);
    case "arg":
      return checkSecrets("ARG", start, instruction.args);
    case "expose":
      return instruction.ports.flatMap((port) => checkPort(port, start));
    case "copy":
    case "add":
      return instruction.options.from === undefined ? checkSources(instruction, ignore) : [];
    default:
      return [];
  }
}

function checkOldForm({ original, location, kind }: Instruction): BuildWarning[] {
  const rest = original.replace(/^\S+\s+/, "");
  if (/^[^\s="']+=/.test(rest) || /^["']/.test(rest)) return [];
  const name = kind.toUpperCase();
  const text = `"${name} key=value" should be used instead of legacy "${name} key value" format`;
  return [warningOf("LegacyKeyValueFormat", location.start, text)];
}

const SECRET = /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const PUBLIC = /(?:_|^)public(?:_|$)/i;

function checkSecrets(
  instruction: "ARG" | "ENV",
  line: number,
  values: readonly { readonly name: string }[],
): BuildWarning[] {
  return values
    .filter(({ name }) => SECRET.test(name) && !PUBLIC.test(name))
    .map(({ name }) =>
      warningOf(
        "SecretsUsedInArgOrEnv",
        line,
        `Do not use ARG or ENV instructions for sensitive data (${instruction} ${JSON.stringify(name)})`,
      ),
    );
}

function checkPort(port: string, line: number): BuildWarning[] {
  const [numbers = "", protocol] = port.split("/");
  if (numbers.includes(":"))
    return [
      warningOf(
        "ExposeInvalidFormat",
        line,
        `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
      ),
    ];
  if (protocol === undefined || protocol === protocol.toLowerCase() || protocol.includes("$")) return [];
  return [warningOf("ExposeProtoCasing", line, `Defined protocol '${port}' in EXPOSE instruction should be lowercase`)];
}

function checkSources(
  { kind, sources, location }: Extract<Instruction, { kind: "copy" | "add" }>,
  ignore: Ignore,
): BuildWarning[] {
  const name = kind === "add" ? "Add" : "Copy";
  return sources
    .filter((source) => !/[*?[$]|:\/\//.test(source))
    .filter((source) => ignore(source.replace(/^(\.?\/)+/, "").replace(/\/+$/, "")))
    .map((source) =>
      warningOf(
        "CopyIgnoredFile",
        location.start,
        `Attempting to ${name} file ${JSON.stringify(source)} that is excluded by .dockerignore`,
      ),
    );
}
