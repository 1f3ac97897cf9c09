import { objectKey } from "#formats/kube-object.ts";
import type {
  ContainerStatus,
  Job,
  Pod,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyRule,
} from "#formats/kube-types.generated.ts";

/** What a failed pod means for its job. */
export interface FailureVerdict {
  readonly action: "FailJob" | "FailIndex" | "Ignore" | "Count";
  readonly message: string;
}

/** The action of the first rule of the job's podFailurePolicy that a failed pod meets; without one it counts. */
export function failureVerdict(job: Job, pod: Pod): FailureVerdict {
  for (const [index, rule] of (job.spec?.podFailurePolicy?.rules ?? []).entries()) {
    const found = meets(rule, pod);
    if (found === undefined || !isAction(rule.action)) continue;
    if (rule.action === "FailIndex" && job.spec?.backoffLimitPerIndex === undefined) continue;
    return { action: rule.action, message: `${found} matching ${rule.action} rule at index ${index}` };
  }
  return { action: "Count", message: "" };
}

function isAction(action: string): action is FailureVerdict["action"] {
  return ["FailJob", "FailIndex", "Ignore", "Count"].includes(action);
}

/** What of the pod meets the rule, in words. */
function meets({ onExitCodes, onPodConditions = [] }: PodFailurePolicyRule, pod: Pod): string | undefined {
  if (onExitCodes) {
    const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
    const status = statuses.find((each) => meetsExitCode(onExitCodes, each));
    if (!status) return undefined;
    return `Container ${status.name} for pod ${objectKey(pod)} failed with exit code ${status.state?.terminated?.exitCode ?? 0}`;
  }
  for (const pattern of onPodConditions) {
    const condition = pod.status?.conditions?.find(({ type }) => type === pattern.type);
    if (condition && condition.status === (pattern.status ?? "True")) {
      return `Pod ${objectKey(pod)} has condition ${pattern.type}`;
    }
  }
  return undefined;
}

function meetsExitCode(rule: PodFailurePolicyOnExitCodesRequirement, status: ContainerStatus): boolean {
  const exitCode = status.state?.terminated?.exitCode;
  if (exitCode === undefined || exitCode === 0) return false;
  if (rule.containerName !== undefined && rule.containerName !== status.name) return false;
  return rule.values.includes(exitCode) === (rule.operator === "In");
}
