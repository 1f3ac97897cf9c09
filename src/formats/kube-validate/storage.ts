import { isDnsSubdomain, isQualifiedName } from "../kube-names.ts";
import type {
  CSIDriver,
  PersistentVolume,
  PersistentVolumeClaim,
  PriorityClass,
  StorageClass,
  VolumeAttachment,
  RuntimeClass,
} from "../kube-types.generated.ts";
import { compareQuantity, parseQuantity } from "../quantity.ts";
import { sameTree } from "../tree.ts";
import {
  at,
  child,
  forbidden,
  invalid,
  invalidEach,
  notSupported,
  oneOf,
  optionalOneOf,
  required,
  type FieldErrors,
} from "./errors.ts";
import { checkSelector, IMMUTABLE } from "./meta.ts";
import { checkAmount } from "./resources.ts";
import { checkNodeSelector } from "./scheduling.ts";

const ACCESS_MODES = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const VOLUME_FIELDS = new Set([
  "capacity",
  "accessModes",
  "claimRef",
  "persistentVolumeReclaimPolicy",
  "storageClassName",
  "mountOptions",
  "volumeMode",
  "nodeAffinity",
  "volumeAttributesClassName",
]);

function checkAccessModes(modes: readonly string[] | undefined, path: string): FieldErrors {
  if (!modes?.length) return [required(path)];
  const errors = modes
    .filter((mode) => !ACCESS_MODES.includes(mode))
    .map((mode) => notSupported(path, mode, ACCESS_MODES));
  if (modes.includes("ReadWriteOncePod") && modes.length > 1)
    errors.push(forbidden(path, "may not use ReadWriteOncePod with other access modes"));
  return errors;
}

export function checkPersistentVolume({ spec }: PersistentVolume): FieldErrors {
  const errors = checkAccessModes(spec?.accessModes, "spec.accessModes");
  const capacity = spec?.capacity ?? {};
  if (Object.keys(capacity).length === 0) errors.push(required("spec.capacity"));
  else if (capacity["storage"] === undefined || Object.keys(capacity).length > 1)
    errors.push(notSupported("spec.capacity", capacity, ["storage"]));
  for (const [name, text] of Object.entries(capacity)) {
    errors.push(...checkAmount(name, text, at("spec.capacity", name)));
    if (parseQuantity(text).nanos === 0n)
      errors.push(invalid(at("spec.capacity", name), text, "must be greater than zero"));
  }
  errors.push(
    ...optionalOneOf("spec.persistentVolumeReclaimPolicy", spec?.persistentVolumeReclaimPolicy, [
      "Delete",
      "Recycle",
      "Retain",
    ]),
  );
  const hard = spec?.nodeAffinity?.required;
  if (spec?.nodeAffinity)
    errors.push(
      ...(hard
        ? checkNodeSelector(hard.nodeSelectorTerms, "spec.nodeAffinity.required")
        : [required("spec.nodeAffinity.required", "must specify required node constraints")]),
    );
  const [source, ...more] = Object.keys(spec ?? {}).filter((key) => !VOLUME_FIELDS.has(key));
  if (!source) errors.push(required("spec", "must specify a volume type"));
  for (const extra of more) errors.push(forbidden(child("spec", extra), "may not specify more than 1 volume type"));
  if (spec?.hostPath && !spec.hostPath.path) errors.push(required("spec.hostPath.path"));
  if (spec?.hostPath?.path === "/" && spec.persistentVolumeReclaimPolicy === "Recycle") {
    errors.push(forbidden("spec.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'"));
  }
  if (spec?.local && !spec.nodeAffinity)
    errors.push(required("metadata.annotations", "Local volume requires node affinity"));
  if (spec?.storageClassName)
    errors.push(...invalidEach("spec.storageClassName", spec.storageClassName, isDnsSubdomain(spec.storageClassName)));
  errors.push(...optionalOneOf("spec.volumeMode", spec?.volumeMode, ["Block", "Filesystem"]));
  return errors;
}

function volumeSource(spec: PersistentVolume["spec"]): object {
  return Object.fromEntries(Object.entries(spec ?? {}).filter(([key]) => !VOLUME_FIELDS.has(key)));
}

export function checkPersistentVolumeUpdate(volume: PersistentVolume, old: PersistentVolume): FieldErrors {
  const errors: FieldErrors = [];
  if (!sameTree(volumeSource(volume.spec), volumeSource(old.spec))) {
    errors.push(forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation"));
  }
  if (volume.spec?.volumeMode !== old.spec?.volumeMode)
    errors.push(invalid("spec.volumeMode", volume.spec?.volumeMode, IMMUTABLE));
  if (old.spec?.nodeAffinity && !sameTree(volume.spec?.nodeAffinity, old.spec.nodeAffinity)) {
    errors.push(invalid("spec.nodeAffinity", volume.spec?.nodeAffinity, IMMUTABLE));
  }
  return errors;
}

export function checkClaim({ spec }: PersistentVolumeClaim): FieldErrors {
  const errors = checkAccessModes(spec?.accessModes, "spec.accessModes");
  errors.push(...checkSelector(spec?.selector, "spec.selector"));
  const storage = spec?.resources?.requests?.["storage"];
  const path = "spec.resources[storage]";
  if (storage === undefined) errors.push(required(path));
  else if (parseQuantity(storage).nanos <= 0n) errors.push(invalid(path, storage, "must be greater than zero"));
  if (spec?.storageClassName)
    errors.push(...invalidEach("spec.storageClassName", spec.storageClassName, isDnsSubdomain(spec.storageClassName)));
  errors.push(...optionalOneOf("spec.volumeMode", spec?.volumeMode, ["Block", "Filesystem"]));
  const source = spec?.dataSource;
  if (source && !source.name) errors.push(required("spec.dataSource.name"));
  if (source && !source.kind) errors.push(required("spec.dataSource.kind"));
  return errors;
}

/** A claim's spec is fixed: it may be bound once, and its storage may grow. */
export function checkClaimUpdate(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldErrors {
  const errors: FieldErrors = [];
  const now = claim.spec ?? {};
  const before = old.spec ?? {};
  const bound = old.status?.phase === "Bound";
  const fixed = (spec: typeof now): object => {
    const { resources: _, volumeName, storageClassName, volumeAttributesClassName: __, ...rest } = spec;
    const named = before.volumeName ? { volumeName } : {};
    return before.storageClassName === undefined ? { ...rest, ...named } : { ...rest, ...named, storageClassName };
  };
  if (!sameTree(fixed(now), fixed(before))) {
    errors.push(
      forbidden(
        "spec",
        "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
      ),
    );
  }
  const wanted = now.resources?.requests?.["storage"];
  const had = before.resources?.requests?.["storage"];
  if (wanted === undefined || had === undefined || wanted === had) return errors;
  const order = compareQuantity(parseQuantity(wanted), parseQuantity(had));
  if (order < 0) errors.push(forbidden("spec.resources.requests.storage", "field can not be less than previous value"));
  else if (order > 0 && !bound)
    errors.push(
      forbidden(
        "spec",
        "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
      ),
    );
  return errors;
}

export function checkStorageClass({
  provisioner,
  reclaimPolicy,
  volumeBindingMode,
  parameters,
}: StorageClass): FieldErrors {
  const errors = provisioner
    ? invalidEach("provisioner", provisioner, isQualifiedName(provisioner.toLowerCase()))
    : [required("provisioner", provisioner)];
  errors.push(...optionalOneOf("reclaimPolicy", reclaimPolicy, ["Delete", "Retain"]));
  errors.push(...oneOf("volumeBindingMode", volumeBindingMode, ["Immediate", "WaitForFirstConsumer"]));
  if (Object.keys(parameters ?? {}).some((key) => key === ""))
    errors.push(invalid("parameters", "", "field can not be empty."));
  return errors;
}

export function checkStorageClassUpdate(object: StorageClass, old: StorageClass): FieldErrors {
  const errors: FieldErrors = [];
  if (!sameTree(object.parameters ?? {}, old.parameters ?? {}))
    errors.push(forbidden("parameters", "updates to parameters are forbidden."));
  if (object.provisioner !== old.provisioner)
    errors.push(forbidden("provisioner", "updates to provisioner are forbidden."));
  if (object.reclaimPolicy !== old.reclaimPolicy)
    errors.push(forbidden("reclaimPolicy", "updates to reclaimPolicy are forbidden."));
  if (object.volumeBindingMode !== old.volumeBindingMode)
    errors.push(invalid("volumeBindingMode", object.volumeBindingMode, IMMUTABLE));
  return errors;
}

export function checkCsiDriver({ metadata }: CSIDriver): FieldErrors {
  const name = metadata.name ?? "";
  return name.length > 63 ? [invalid("metadata.name", name, "must be no more than 63 characters")] : [];
}

export function checkVolumeAttachment({ spec }: VolumeAttachment): FieldErrors {
  const errors: FieldErrors = [];
  if (!spec?.attacher) errors.push(required("spec.attacher"));
  if (!spec?.nodeName) errors.push(required("spec.nodeName"));
  const { persistentVolumeName, inlineVolumeSpec } = spec?.source ?? {};
  if (!persistentVolumeName && !inlineVolumeSpec)
    errors.push(required("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName"));
  if (persistentVolumeName && inlineVolumeSpec)
    errors.push(forbidden("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName"));
  return errors;
}

const HIGHEST_USER_PRIORITY = 1_000_000_000;

export function checkPriorityClass(object: PriorityClass): FieldErrors {
  const name = object.metadata.name ?? "";
  const system = name === "system-node-critical" || name === "system-cluster-critical";
  const errors: FieldErrors = [];
  if (name.startsWith("system-") && !system) {
    errors.push(
      forbidden(
        "metadata.name",
        "priority class names with 'system-' prefix are reserved for system use only. error: " +
          `${name} is not a known system priority class`,
      ),
    );
  }
  if (!system && (object.value ?? 0) > HIGHEST_USER_PRIORITY) {
    errors.push(forbidden("value", `maximum allowed value of a user defined priority is ${HIGHEST_USER_PRIORITY}`));
  }
  return [...errors, ...optionalOneOf("preemptionPolicy", object.preemptionPolicy, ["Never", "PreemptLowerPriority"])];
}

export function checkPriorityClassUpdate(object: PriorityClass, old: PriorityClass): FieldErrors {
  const errors: FieldErrors = [];
  if (object.value !== old.value) errors.push(invalid("value", object.value, IMMUTABLE));
  if (object.preemptionPolicy !== old.preemptionPolicy)
    errors.push(invalid("preemptionPolicy", object.preemptionPolicy, IMMUTABLE));
  return errors;
}

export function checkRuntimeClass({ handler }: RuntimeClass): FieldErrors {
  return handler ? [] : [required("handler")];
}

export function checkHandlerKept(object: RuntimeClass, old: RuntimeClass): FieldErrors {
  return object.handler === old.handler ? [] : [invalid("handler", object.handler, IMMUTABLE)];
}
