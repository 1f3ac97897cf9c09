import type { BuildVertex } from "#formats/build-events.ts";
import type { Dockerfile, Instruction } from "#formats/dockerfile-instruction.ts";
import { sourceStages, type PlannedStage } from "../plan/stages.ts";
import type { SolverVertex } from "./solver.ts";

/** One instruction of a stage, or its FROM (`instruction` undefined). */
export interface InstructionVertex extends SolverVertex {
  readonly planned: PlannedStage;
  readonly instruction: Instruction | undefined;
  readonly shown: BuildVertex;
}

/** The graph of the stages that are needed: an instruction follows the one before it, and the ends of stages that it reads. */
export function buildGraph(file: Dockerfile, stages: readonly PlannedStage[]): readonly InstructionVertex[] {
  const ends = new Map<number, number>();
  const vertices: InstructionVertex[] = [];
  for (const planned of stages) {
    const { stage, base, index } = planned;
    const label = stages.length > 1 ? `${stage.name ?? `stage-${index}`} ` : "";
    const steps = stage.instructions.filter(isStep).length + 1;
    let step = 0;
    const add = (instruction: Instruction | undefined, text: string, before: readonly number[]): number => {
      const id = vertices.length;
      if (!instruction || isStep(instruction)) step++;
      const name = `[${label}${step}/${steps}] ${text.replaceAll(/\s*\n\s*/g, " ")}`;
      vertices.push({ id, inputs: before, planned, instruction, shown: { id, name, text } });
      return id;
    };
    const below = base.kind === "stage" ? ends.get(base.index) : undefined;
    let last = add(undefined, stage.original, below === undefined ? [] : [below]);
    for (const instruction of stage.instructions) {
      const read = sourceStages(file, instruction, index).flatMap((other) => ends.get(other) ?? []);
      last = add(instruction, instruction.original, [...new Set([last, ...read])]);
    }
    ends.set(index, last);
  }
  return vertices;
}

/** BuildKit counts what makes layers. */
function isStep({ kind }: Instruction): boolean {
  return kind === "run" || kind === "copy" || kind === "add" || kind === "workdir";
}
