import { GantryError, errorText } from "#base/errors.ts";
import { flag, integer, list, object, text } from "./docker-json.ts";
import type { OciSeccomp } from "./oci-spec.ts";

const condition = object({ caps: list(text), arches: list(text), minKernel: text });

const profileDocument = object({
  defaultAction: text,
  defaultErrnoRet: integer,
  architectures: list(text),
  archMap: list(object({ architecture: text, subArchitectures: list(text) })),
  flags: list(text),
  listenerPath: text,
  listenerMetadata: text,
  syscalls: list(
    object({
      name: text,
      names: list(text),
      action: text,
      errnoRet: integer,
      args: list(object({ index: integer, value: integer, valueTwo: integer, op: text })),
      comment: text,
      includes: condition,
      excludes: condition,
      // A field of the oldest profiles, without meaning.
      priority: integer,
      enabled: flag,
    }),
  ),
});

type Condition = ReturnType<typeof condition>;

export interface SeccompContext {
  /** The container's capabilities, CAP_ names. */
  readonly capabilities: readonly string[];
  /** Go's name of the processor: amd64, arm64. */
  readonly arch: string;
  /** SCMP_ARCH_X86_64, SCMP_ARCH_AARCH64. */
  readonly scmpArch: string;
  /** Version of the kernel: [6, 18]. */
  readonly kernel: readonly [number, number];
}

/**
 * A seccomp profile in Docker's format (a superset of the OCI one: rules that depend on capabilities, processor and kernel), resolved
 * for one container. Throws `invalid` in Docker's words (moby profiles/seccomp).
 */
export function resolveSeccompProfile(document: string, context: SeccompContext): OciSeccomp {
  const profile = decode(document);
  if (profile.architectures?.length && profile.archMap?.length) {
    throw new GantryError(
      "invalid",
      "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
    );
  }
  if (profile.listenerPath || profile.listenerMetadata)
    throw new GantryError("unsupported", "seccomp listeners are not supported", { field: "listenerPath" });
  const architectures = profile.archMap?.length
    ? mappedArchitectures(profile.archMap, context)
    : (profile.architectures ?? []);
  return {
    defaultAction: profile.defaultAction ?? "",
    ...(profile.defaultErrnoRet !== undefined && { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures.length > 0 && { architectures }),
    ...(profile.flags?.length && { flags: profile.flags }),
    syscalls: (profile.syscalls ?? []).flatMap((rule) => {
      const names = rule.name ? [rule.name] : (rule.names ?? []);
      if (rule.name && rule.names?.length)
        throw new GantryError(
          "invalid",
          `both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'`,
        );
      if (names.length === 0 || !applies(rule.includes, rule.excludes, context)) return [];
      return [
        {
          names,
          action: rule.action ?? "",
          ...(rule.errnoRet !== undefined && { errnoRet: rule.errnoRet }),
          ...(rule.args?.length && { args: rule.args.map(argument) }),
        },
      ];
    }),
  };
}

function decode(document: string): ReturnType<typeof profileDocument> {
  try {
    return profileDocument(JSON.parse(document) as unknown, "");
  } catch (error) {
    throw new GantryError(
      "invalid",
      `Decoding seccomp profile failed: ${errorText(error)}`,
      { field: "SecurityOpt" },
      error,
    );
  }
}

function mappedArchitectures(
  archMap: readonly { architecture?: string; subArchitectures?: string[] }[],
  context: SeccompContext,
): string[] {
  const own = archMap.find((each) => each.architecture === context.scmpArch);
  return own ? [context.scmpArch, ...(own.subArchitectures ?? [])] : [];
}

function applies(includes: Condition | undefined, excludes: Condition | undefined, context: SeccompContext): boolean {
  const { capabilities, arch } = context;
  if (excludes?.arches?.includes(arch) || excludes?.caps?.some((cap) => capabilities.includes(cap))) return false;
  if (excludes?.minKernel && atLeast(context.kernel, excludes.minKernel)) return false;
  if (includes?.arches?.length && !includes.arches.includes(arch)) return false;
  if (includes?.caps?.some((cap) => !capabilities.includes(cap))) return false;
  return !includes?.minKernel || atLeast(context.kernel, includes.minKernel);
}

function atLeast(kernel: readonly [number, number], wanted: string): boolean {
  const [major = 0, minor = 0] = wanted.split(".").map(Number);
  return kernel[0] > major || (kernel[0] === major && kernel[1] >= minor);
}

function argument(arg: { index?: number; value?: number; valueTwo?: number; op?: string }): {
  index: number;
  value: number;
  valueTwo?: number;
  op: string;
} {
  return {
    index: arg.index ?? 0,
    value: arg.value ?? 0,
    ...(arg.valueTwo && { valueTwo: arg.valueTwo }),
    op: arg.op ?? "",
  };
}
