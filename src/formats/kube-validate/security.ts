import { isUserId } from "../kube-names.ts";
import type {
  AppArmorProfile,
  PodSecurityContext,
  PodSpec,
  SeccompProfile,
  SecurityContext,
} from "../kube-types.generated.ts";
import {
  at,
  child,
  duplicate,
  invalid,
  invalidEach,
  oneOf,
  optionalOneOf,
  required,
  type FieldErrors,
} from "./errors.ts";
import { checkRelativePath } from "./paths.ts";

function checkId(id: number | undefined, path: string): FieldErrors {
  return id === undefined ? [] : invalidEach(path, id, isUserId(id));
}

function checkSeccomp(profile: SeccompProfile | undefined, path: string): FieldErrors {
  if (!profile) return [];
  const where = child(path, "localhostProfile");
  const errors: FieldErrors = profile.type
    ? []
    : [required(child(path, "type"), "type is required when seccompProfile is set")];
  if (profile.type === "Localhost") {
    if (!profile.localhostProfile) errors.push(required(where, "must be set when seccomp type is Localhost"));
    else errors.push(...checkRelativePath(profile.localhostProfile, where));
  } else if (profile.type && profile.localhostProfile !== undefined) {
    errors.push(invalid(where, profile.localhostProfile, "can only be set when seccomp type is Localhost"));
  }
  if (profile.type)
    errors.push(...optionalOneOf(child(path, "type"), profile.type, ["Localhost", "RuntimeDefault", "Unconfined"]));
  return errors;
}

function checkAppArmor(profile: AppArmorProfile | undefined, path: string): FieldErrors {
  if (!profile) return [];
  const where = child(path, "localhostProfile");
  const local = profile.type === "Localhost";
  const errors = oneOf(child(path, "type"), profile.type, ["Localhost", "RuntimeDefault", "Unconfined"]);
  if (local && !profile.localhostProfile) errors.push(required(where, "must be set when AppArmor type is Localhost"));
  if (!local && profile.localhostProfile !== undefined) {
    errors.push(invalid(where, profile.localhostProfile, "can only be set when AppArmor type is Localhost"));
  }
  return errors;
}

/** ValidateSecurityContext. */
export function checkSecurityContext(context: SecurityContext | undefined, spec: PodSpec, path: string): FieldErrors {
  if (!context) return [];
  const { privileged, allowPrivilegeEscalation, capabilities, procMount } = context;
  const errors = [
    ...checkId(context.runAsUser, child(path, "runAsUser")),
    ...checkId(context.runAsGroup, child(path, "runAsGroup")),
  ];
  errors.push(...optionalOneOf(child(path, "procMount"), procMount, ["Default", "Unmasked"]));
  if (procMount === "Unmasked" && spec.hostUsers !== false) {
    errors.push(invalid(child(path, "procMount"), procMount, "`hostUsers` must be false to use `Unmasked`"));
  }
  errors.push(...checkSeccomp(context.seccompProfile, child(path, "seccompProfile")));
  errors.push(...checkAppArmor(context.appArmorProfile, child(path, "appArmorProfile")));
  if (allowPrivilegeEscalation !== false) return errors;
  if (privileged)
    errors.push(invalid(path, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"));
  if (capabilities?.add?.includes("CAP_SYS_ADMIN")) {
    errors.push(
      invalid(path, context, "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"),
    );
  }
  return errors;
}

const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;

/** ValidatePodSecurityContext. */
export function checkPodSecurity(context: PodSecurityContext | undefined, spec: PodSpec, path: string): FieldErrors {
  const errors: FieldErrors = [];
  if (spec.shareProcessNamespace && spec.hostPID) {
    errors.push(
      invalid("spec.shareProcessNamespace", true, "ShareProcessNamespace and HostPID cannot both be enabled"),
    );
  }
  if (!context) return errors;
  errors.push(...checkId(context.fsGroup, child(path, "fsGroup")));
  errors.push(...checkId(context.runAsUser, child(path, "runAsUser")));
  errors.push(...checkId(context.runAsGroup, child(path, "runAsGroup")));
  for (const [index, group] of (context.supplementalGroups ?? []).entries()) {
    errors.push(...checkId(group, at(child(path, "supplementalGroups"), index)));
  }
  errors.push(...checkSysctls(context, spec, child(path, "sysctls")));
  errors.push(
    ...optionalOneOf(child(path, "fsGroupChangePolicy"), context.fsGroupChangePolicy, ["Always", "OnRootMismatch"]),
  );
  errors.push(
    ...optionalOneOf(child(path, "supplementalGroupsPolicy"), context.supplementalGroupsPolicy, ["Merge", "Strict"]),
  );
  errors.push(...checkSeccomp(context.seccompProfile, child(path, "seccompProfile")));
  errors.push(...checkAppArmor(context.appArmorProfile, child(path, "appArmorProfile")));
  return errors;
}

function checkSysctls({ sysctls }: PodSecurityContext, spec: PodSpec, path: string): FieldErrors {
  const errors: FieldErrors = [];
  const seen = new Set<string>();
  for (const [index, { name }] of (sysctls ?? []).entries()) {
    const where = child(at(path, index), "name");
    if (!name) errors.push(required(where));
    else if (name.length > 253 || !SYSCTL.test(name)) {
      const detail = `must have at most 253 characters and match regex ${SYSCTL.source}`;
      errors.push(invalid(where, name, detail));
    } else if (seen.has(name)) errors.push(duplicate(where, name));
    seen.add(name);
    const key = (name ?? "").replaceAll("/", ".");
    if (spec.hostNetwork && key.startsWith("net."))
      errors.push(invalid(where, name, "may not be specified when 'hostNetwork' is true"));
    if (spec.hostIPC && /^(kernel\.(sem|msg|shm)|fs\.mqueue\.)/.test(key))
      errors.push(invalid(where, name, "may not be specified when 'hostIPC' is true"));
  }
  return errors;
}
