import { SYSCALL_NUMBERS } from "../syscall-numbers.generated.ts";

export type Architecture = keyof typeof SYSCALL_NUMBERS;

/** AUDIT_ARCH_ values (linux/audit.h). */
const AUDIT: Readonly<Record<Architecture, number>> = { x86_64: 0xc000003e, x86: 0x40000003, aarch64: 0xc00000b7 };

const tables = new Map<Architecture, ReadonlyMap<string, number>>();

export function auditArchitecture(architecture: Architecture): number {
  return AUDIT[architecture];
}

/** Call numbers by name, read from the generated table at first use. */
export function syscallNumbers(architecture: Architecture): ReadonlyMap<string, number> {
  const known = tables.get(architecture);
  if (known) return known;
  const table = new Map(
    SYSCALL_NUMBERS[architecture].split(" ").map((word): [string, number] => {
      const [name = "", number] = word.split(":");
      return [name, Number(number)];
    }),
  );
  tables.set(architecture, table);
  return table;
}
