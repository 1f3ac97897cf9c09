import { isConfigMapKey, isEnvVarName, isQualifiedName } from "../kube-names.ts";
import type {
  Container,
  EnvFromSource,
  EnvVar,
  EnvVarSource,
  ObjectFieldSelector,
  ResourceFieldSelector,
} from "../kube-types.generated.ts";
import { child, each, invalid, invalidEach, notSupported, required, type FieldErrors } from "./errors.ts";

const ENV_FIELDS = [
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "spec.nodeName",
  "spec.serviceAccountName",
  "status.hostIP",
  "status.hostIPs",
  "status.podIP",
  "status.podIPs",
];
const VOLUME_FIELDS = [
  "metadata.annotations",
  "metadata.labels",
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
];
const CONTAINER_FIELDS = [
  "limits.cpu",
  "limits.ephemeral-storage",
  "limits.memory",
  "requests.cpu",
  "requests.ephemeral-storage",
  "requests.memory",
];
const ONE_SOURCE = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";

export function checkEnv(env: readonly EnvVar[] | undefined, path: string): FieldErrors {
  return each(path, env, ({ name, value, valueFrom }, where) => {
    const named = name ? invalidEach(child(where, "name"), name, isEnvVarName(name)) : [required(child(where, "name"))];
    return [...named, ...(valueFrom ? checkSource(valueFrom, value, child(where, "valueFrom")) : [])];
  });
}

function checkSource(source: EnvVarSource, value: string | undefined, path: string): FieldErrors {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = source;
  const errors: FieldErrors = [];
  if (fieldRef) errors.push(...checkFieldRef(fieldRef, ENV_FIELDS, child(path, "fieldRef")));
  if (resourceFieldRef) errors.push(...checkResourceFieldRef(resourceFieldRef, false, child(path, "resourceFieldRef")));
  if (configMapKeyRef) errors.push(...checkKeyRef(configMapKeyRef, child(path, "configMapKeyRef")));
  if (secretKeyRef) errors.push(...checkKeyRef(secretKeyRef, child(path, "secretKeyRef")));
  const count = Object.keys(source).length;
  if (count === 0) errors.push(invalid(path, "", ONE_SOURCE));
  else if (value) errors.push(invalid(path, "", "may not be specified when `value` is not empty"));
  else if (count > 1) errors.push(invalid(path, "", "may not have more than one field specified at a time"));
  return errors;
}

function checkKeyRef({ name, key }: { name?: string; key: string }, path: string): FieldErrors {
  return [
    ...(name ? [] : [required(child(path, "name"))]),
    ...(key ? invalidEach(child(path, "key"), key, isConfigMapKey(key)) : [required(child(path, "key"))]),
  ];
}

/** A field of the pod in an environment variable. */
function checkFieldRef(
  { apiVersion, fieldPath }: ObjectFieldSelector,
  fields: readonly string[],
  path: string,
): FieldErrors {
  if (!apiVersion) return [required(child(path, "apiVersion"))];
  if (!fieldPath) return [required(child(path, "fieldPath"))];
  const where = child(path, "fieldPath");
  const subscript = /^(metadata\.(?:annotations|labels))\['(.*)'\]$/.exec(fieldPath);
  if (subscript) {
    const key = subscript[2] ?? "";
    const annotation = subscript[1] === "metadata.annotations";
    return invalidEach(where, key, isQualifiedName(annotation ? key.toLowerCase() : key));
  }
  if (fields.includes(fieldPath)) return [];
  const known = ENV_FIELDS.includes(fieldPath) || VOLUME_FIELDS.includes(fieldPath);
  if (!known) return [invalid(where, fieldPath, `error converting fieldPath: field label not supported: ${fieldPath}`)];
  return [notSupported(where, fieldPath, fields)];
}

/** A field of the pod in a file. */
export function checkVolumeFieldRef(ref: ObjectFieldSelector, path: string): FieldErrors {
  return checkFieldRef(ref, VOLUME_FIELDS, path);
}

export function checkResourceFieldRef(
  { containerName, resource }: ResourceFieldSelector,
  volume: boolean,
  path: string,
): FieldErrors {
  if (volume && !containerName) return [required(child(path, "containerName"))];
  if (!resource) return [required(child(path, "resource"))];
  const known = CONTAINER_FIELDS.includes(resource) || /^(requests|limits)\.hugepages-/.test(resource);
  return known ? [] : [notSupported(child(path, "resource"), resource, CONTAINER_FIELDS)];
}

export function checkEnvFrom(sources: Container["envFrom"], path: string): FieldErrors {
  return each(path, sources, (source: EnvFromSource, where) => {
    const { prefix, configMapRef, secretRef } = source;
    const errors = prefix ? invalidEach(child(where, "prefix"), prefix, isEnvVarName(prefix)) : [];
    if (configMapRef && !configMapRef.name) errors.push(required(child(where, "configMapRef", "name")));
    if (secretRef && !secretRef.name) errors.push(required(child(where, "secretRef", "name")));
    if (!configMapRef && !secretRef)
      errors.push(invalid(where, "", "must specify one of: `configMapRef` or `secretRef`"));
    if (configMapRef && secretRef)
      errors.push(invalid(where, "", "may not have more than one field specified at a time"));
    return errors;
  });
}
