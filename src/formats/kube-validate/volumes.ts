import { isDnsLabel, isDnsSubdomain } from "../kube-names.ts";
import type {
  DownwardAPIVolumeFile,
  KeyToPath,
  ProjectedVolumeSource,
  Volume,
  VolumeProjection,
} from "../kube-types.generated.ts";
import { checkVolumeFieldRef, checkResourceFieldRef } from "./env.ts";
import {
  child,
  duplicate,
  each,
  forbidden,
  invalid,
  invalidEach,
  optionalOneOf,
  required,
  type FieldErrors,
} from "./errors.ts";
import { checkFilePath, checkNoBacksteps } from "./paths.ts";
import { checkAmount } from "./resources.ts";

const HOST_PATH_TYPES = [
  "",
  "BlockDevice",
  "CharDevice",
  "Directory",
  "DirectoryOrCreate",
  "File",
  "FileOrCreate",
  "Socket",
];
const MODE_RANGE = "must be a number between 0 and 0777 (octal), both inclusive";

export function checkVolumes(volumes: readonly Volume[] | undefined, path: string): FieldErrors {
  const names = new Set<string>();
  return each(path, volumes, (volume, where) => {
    const { name } = volume;
    const errors = name ? invalidEach(child(where, "name"), name, isDnsLabel(name)) : [required(child(where, "name"))];
    if (name && errors.length === 0 && names.has(name)) errors.push(duplicate(child(where, "name"), name));
    names.add(name);
    return [...errors, ...checkSource(volume, where)];
  });
}

/** Exactly one source. */
function checkSource(volume: Volume, path: string): FieldErrors {
  const sources = Object.keys(volume).filter((key) => key !== "name") as (keyof Volume)[];
  const [first, ...more] = sources;
  if (!first) return [required(path, "must specify a volume type")];
  return [
    ...checkContent(volume, first, child(path, first)),
    ...more.map((source) => forbidden(child(path, source), "may not specify more than 1 volume type")),
  ];
}

function checkContent(volume: Volume, source: keyof Volume, path: string): FieldErrors {
  const {
    emptyDir,
    hostPath,
    secret,
    configMap,
    downwardAPI,
    projected,
    nfs,
    persistentVolumeClaim,
    csi,
    image,
    ephemeral,
  } = volume;
  if (emptyDir?.sizeLimit !== undefined)
    return checkAmount("ephemeral-storage", emptyDir.sizeLimit, child(path, "sizeLimit"));
  if (hostPath) return checkHostPath(hostPath.path, hostPath.type, path);
  if (secret)
    return [
      ...needs(secret.secretName, child(path, "secretName")),
      ...checkFiles(secret.defaultMode, secret.items, path),
    ];
  if (configMap)
    return [...needs(configMap.name, child(path, "name")), ...checkFiles(configMap.defaultMode, configMap.items, path)];
  if (downwardAPI)
    return [
      ...checkMode(downwardAPI.defaultMode, child(path, "defaultMode")),
      ...each(child(path, "items"), downwardAPI.items, checkDownwardFile),
    ];
  if (projected) return checkProjected(projected, path);
  if (nfs) {
    const absolute =
      nfs.path.startsWith("/") || nfs.path === ""
        ? []
        : [invalid(child(path, "path"), nfs.path, "must be an absolute path")];
    return [...needs(nfs.server, child(path, "server")), ...needs(nfs.path, child(path, "path")), ...absolute];
  }
  if (persistentVolumeClaim) return needs(persistentVolumeClaim.claimName, child(path, "claimName"));
  if (csi)
    return csi.driver
      ? invalidEach(child(path, "driver"), csi.driver, isDnsSubdomain(csi.driver.toLowerCase()))
      : [required(child(path, "driver"))];
  if (image)
    return [
      ...needs(image.reference, child(path, "reference")),
      ...optionalOneOf(child(path, "pullPolicy"), image.pullPolicy, ["Always", "IfNotPresent", "Never"]),
    ];
  if (ephemeral) return ephemeral.volumeClaimTemplate ? [] : [required(child(path, "volumeClaimTemplate"))];
  return source === "gitRepo"
    ? [forbidden(path, "gitRepo volumes are not supported: clone in an init container instead")]
    : [];
}

function needs(value: string | undefined, path: string): FieldErrors {
  return value ? [] : [required(path)];
}

function checkHostPath(value: string, type: string | undefined, path: string): FieldErrors {
  if (!value) return [required(child(path, "path"))];
  return [
    ...checkNoBacksteps(value, child(path, "path")),
    ...optionalOneOf(child(path, "type"), type, HOST_PATH_TYPES),
  ];
}

function checkMode(mode: number | undefined, path: string): FieldErrors {
  return mode !== undefined && (mode < 0 || mode > 0o777) ? [invalid(path, mode, MODE_RANGE)] : [];
}

function checkFiles(mode: number | undefined, items: readonly KeyToPath[] | undefined, path: string): FieldErrors {
  return [...checkMode(mode, child(path, "defaultMode")), ...each(child(path, "items"), items, checkKeyToPath)];
}

function checkKeyToPath({ key, path: file, mode }: KeyToPath, path: string): FieldErrors {
  return [
    ...needs(key, child(path, "key")),
    ...(file ? checkFilePath(file, child(path, "path")) : [required(child(path, "path"))]),
    ...checkMode(mode, child(path, "mode")),
  ];
}

function checkDownwardFile(file: DownwardAPIVolumeFile, path: string): FieldErrors {
  const { fieldRef, resourceFieldRef, mode } = file;
  const errors = file.path ? checkFilePath(file.path, child(path, "path")) : [required(child(path, "path"))];
  if (fieldRef) {
    errors.push(...checkVolumeFieldRef(fieldRef, child(path, "fieldRef")));
    if (resourceFieldRef)
      errors.push(invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"));
  } else if (resourceFieldRef)
    errors.push(...checkResourceFieldRef(resourceFieldRef, true, child(path, "resourceFieldRef")));
  else errors.push(required(path, "one of fieldRef and resourceFieldRef is required"));
  return [...errors, ...checkMode(mode, child(path, "mode"))];
}

function checkProjected(source: ProjectedVolumeSource, path: string): FieldErrors {
  const seen = new Set<string>();
  return [
    ...checkMode(source.defaultMode, child(path, "defaultMode")),
    ...each(child(path, "sources"), source.sources, (projection, where) => {
      const [first, ...more] = Object.keys(projection) as (keyof VolumeProjection)[];
      const errors = first ? checkProjection(projection, child(where, first)) : [required(where)];
      for (const extra of more) errors.push(forbidden(child(where, extra), "may not specify more than 1 volume type"));
      for (const file of filesOf(projection)) {
        if (seen.has(file)) errors.push(invalid(path, file, "conflicting duplicate paths"));
        seen.add(file);
      }
      return errors;
    }),
  ];
}

function checkProjection(
  { secret, configMap, downwardAPI, serviceAccountToken }: VolumeProjection,
  path: string,
): FieldErrors {
  if (secret) return [...needs(secret.name, child(path, "name")), ...checkFiles(undefined, secret.items, path)];
  if (configMap)
    return [...needs(configMap.name, child(path, "name")), ...checkFiles(undefined, configMap.items, path)];
  if (downwardAPI) return each(child(path, "items"), downwardAPI.items, checkDownwardFile);
  if (!serviceAccountToken) return [];
  const { expirationSeconds = 3600, path: file } = serviceAccountToken;
  const errors: FieldErrors = [];
  const where = child(path, "expirationSeconds");
  if (expirationSeconds < 600)
    errors.push(invalid(where, expirationSeconds, "may not specify a duration less than 10 minutes"));
  if (expirationSeconds > 2 ** 32)
    errors.push(invalid(where, expirationSeconds, "may not specify a duration larger than 2^32 seconds"));
  return [...errors, ...(file ? checkFilePath(file, child(path, "path")) : [required(child(path, "path"))])];
}

function filesOf({ secret, configMap, downwardAPI, serviceAccountToken }: VolumeProjection): string[] {
  const items = [...(secret?.items ?? []), ...(configMap?.items ?? []), ...(downwardAPI?.items ?? [])].map(
    (item) => item.path,
  );
  return [...items, ...(serviceAccountToken?.path ? [serviceAccountToken.path] : [])].filter((file) => file !== "");
}
