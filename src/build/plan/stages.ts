import { GantryError } from "#base/errors.ts";
import { expandWord } from "#formats/dockerfile-expand.ts";
import type { Dockerfile, Instruction, Stage } from "#formats/dockerfile-instruction.ts";

/** Where a stage begins. */
export type Base =
  | { readonly kind: "scratch" }
  | { readonly kind: "stage"; readonly index: number }
  | { readonly kind: "image"; readonly reference: string };

export interface PlannedStage {
  readonly index: number;
  readonly stage: Stage;
  readonly base: Base;
}

/**
 * The stages that a target needs, in the order of the Dockerfile. Throws `invalid` in BuildKit's words for an unknown target or an empty
 * base name.
 */
export function planStages(
  file: Dockerfile,
  target: string,
  meta: ReadonlyMap<string, string>,
): readonly PlannedStage[] {
  const planned = file.stages.map((stage, index) => ({ index, stage, base: baseOf(file, stage, index, meta) }));
  const wanted = targetIndex(file, target);
  const needed = new Set<number>();
  const need = (index: number): void => {
    if (needed.has(index)) return;
    needed.add(index);
    const each = planned[index];
    if (!each) return;
    if (each.base.kind === "stage") need(each.base.index);
    for (const instruction of each.stage.instructions) sourceStages(file, instruction, index).forEach(need);
  };
  need(wanted);
  return planned.filter(({ index }) => needed.has(index));
}

function baseOf(file: Dockerfile, stage: Stage, index: number, meta: ReadonlyMap<string, string>): Base {
  const name = expandWord(stage.base, (key) => meta.get(key), file.escape);
  if (name === "")
    throw new GantryError("invalid", `base name (${stage.base}) should not be blank`, { line: stage.location.start });
  if (name === "scratch") return { kind: "scratch" };
  const earlier = stageIndex(file, name, index, false);
  return earlier === undefined ? { kind: "image", reference: name } : { kind: "stage", index: earlier };
}

function targetIndex(file: Dockerfile, target: string): number {
  if (target === "") return file.stages.length - 1;
  const index = stageIndex(file, target, file.stages.length, true);
  if (index === undefined)
    throw new GantryError("invalid", `target stage ${JSON.stringify(target)} could not be found`, { target });
  return index;
}

/** The newest stage of that name before `before`; a number counts only where one may stand. */
export function stageIndex(file: Dockerfile, name: string, before: number, numbers: boolean): number | undefined {
  const lower = name.toLowerCase();
  const index = file.stages.slice(0, before).findLastIndex((stage) => stage.name === lower);
  if (index >= 0) return index;
  if (numbers && /^\d{1,4}$/.test(name) && Number(name) < before) return Number(name);
  return undefined;
}

/** Stages that an instruction reads: by COPY --from and RUN --mount=from. */
export function sourceStages(file: Dockerfile, instruction: Instruction, index: number): number[] {
  const names =
    instruction.kind === "copy" && instruction.options.from !== undefined
      ? [instruction.options.from]
      : instruction.kind === "run"
        ? instruction.mounts.flatMap((mount) => /(?:^|,)from=([^,]+)/.exec(mount)?.[1] ?? [])
        : [];
  return names.map((name) => stageIndex(file, name, index, true)).filter((found) => found !== undefined);
}
