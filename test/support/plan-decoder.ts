/** The shim's decoder of launch plans by itself, with steps that say what they were told instead of doing it; under the address sanitizer. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LaunchPlan } from "#linux/launch-plan.ts";
import { STEP_LAYOUTS, type ArgumentType } from "../../src/linux/launch-steps.generated.ts";
import stepTable from "../../native/shim/steps.json" with { type: "json" };

const shim = new URL("../../native/shim/", import.meta.url).pathname;

export interface PlanDecoder {
  /** A line for each input: what its steps were told, or "refused". Throws when the decoder does what it must not. */
  decode(inputs: readonly Uint8Array[]): readonly string[];
  remove(): void;
}

/** Compiles it. */
export function planDecoder(): PlanDecoder {
  const directory = mkdtempSync(join(tmpdir(), "gantry-plans-"));
  const program = join(directory, "decoder");
  writeFileSync(join(directory, "decoder.c"), source());
  const flags = ["-std=gnu11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", `-I${shim}`];
  execFileSync("cc", [...flags, "-o", program, join(directory, "decoder.c"), `${shim}plan.c`, `${shim}failure.c`]);
  return {
    decode(inputs) {
      const parts = inputs.flatMap((bytes) => {
        const length = Buffer.alloc(4);
        length.writeUInt32LE(bytes.length);
        return [length, bytes];
      });
      const { status, signal, stdout, stderr } = spawnSync(program, [], {
        input: Buffer.concat(parts),
        maxBuffer: 256 * 1024 * 1024,
        encoding: "utf8",
      });
      if (status !== 0) throw new Error(`the decoder ended with ${status ?? signal}:\n${stderr.slice(0, 4000)}`);
      return stdout.split("\n").slice(0, -1);
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** The line that a plan's decoding gives. */
export function planLine({ steps }: LaunchPlan): string {
  return steps
    .map((step) => {
      const { code, args } = STEP_LAYOUTS[step.step];
      const values = step as unknown as Readonly<Record<string, unknown>>;
      return [code, ...args.map(([name, type]) => valueText(type, values[name]))].join(" ");
    })
    .map((text) => `${text};`)
    .join("");
}

const hex = (bytes: Uint8Array | string): string => Buffer.from(bytes as string).toString("hex");

function valueText(type: ArgumentType, value: unknown): string {
  switch (type) {
    case "string":
    case "bytes":
      return `"${hex(value as string)}"`;
    case "strings":
      return `[${(value as string[]).map((text) => `"${hex(text)}"`).join("")}]`;
    case "u32s":
      return `[${(value as number[]).map((number) => `${number},`).join("")}]`;
    case "bool":
      return value === true ? "1" : "0";
    default:
      return String(value);
  }
}

const PRINTERS: Readonly<Record<string, string>> = {
  string: "text",
  strings: "texts",
  u32: "number",
  i32: "signed_number",
  u64: "large",
  u32s: "numbers",
  bool: "number",
  bytes: "bytes",
};

const snake = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replaceAll("-", "_");

/** A function for each step, which prints its arguments. */
function source(): string {
  const steps = stepTable.steps.map(({ code, name, by, args }) => {
    const fields = Object.entries(args as Record<string, string>);
    const id = snake(name);
    const printed = fields.map(([field, type]) => `  print_${PRINTERS[type] ?? ""}(step->${snake(field)});`);
    const parameters = `struct ${by}_context *context${fields.length > 0 ? `, const struct ${id}_step *step` : ""}`;
    return `int ${by}_${id}(${parameters}) {\n  (void)context;\n  printf("${code}");\n${printed.join("\n")}\n  printf(";");\n  return 0;\n}\n`;
  });
  return `${PRELUDE}\n${steps.join("\n")}\n${MAIN}`;
}

const PRELUDE = `#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "steps.generated.h"
static void hex(const void *data, size_t length) {
  putchar('"');
  for (size_t at = 0; at < length; at++)
    printf("%02x", ((const unsigned char *)data)[at]);
  putchar('"');
}
static void print_text(const char *value) { putchar(' '); hex(value, strlen(value)); }
static void print_bytes(struct bytes value) { putchar(' '); hex(value.data, value.length); }
static void print_number(uint32_t value) { printf(" %u", value); }
static void print_signed_number(int32_t value) { printf(" %d", value); }
static void print_large(uint64_t value) { printf(" %llu", (unsigned long long)value); }
static void print_texts(struct strings value) {
  char **array = strings_array(&value);
  printf(" [");
  for (char **each = array; array != NULL && *each != NULL; each++)
    hex(*each, strlen(*each));
  printf("]");
  free(array);
}
static void print_numbers(struct numbers value) {
  printf(" [");
  for (uint32_t index = 0; index < value.count; index++)
    printf("%u,", numbers_at(&value, index));
  printf("]");
}
`;

const MAIN = `static int decode(struct bytes input) {
  struct reader plan;
  struct step step;
  if (plan_open(input, &plan) < 0)
    return -1;
  while (plan_next(&plan, &step)) {
    int result = is_shim_step(step.code) ? run_shim_step(NULL, step.code, &step.arguments) : run_child_step(NULL, step.code, &step.arguments);
    if (result < 0)
      return -1;
  }
  return failure.error == 0 ? 0 : -1;
}
int main(void) {
  uint32_t length;
  while (fread(&length, 4, 1, stdin) == 1) {
    /* Exactly as long as it says: one byte beyond is seen. */
    uint8_t *data = malloc(length);
    if (length > 0 && fread(data, length, 1, stdin) != 1)
      return 2;
    puts(decode((struct bytes){.length = length, .data = data}) < 0 ? "refused" : "");
    free(data);
  }
  return 0;
}
`;
