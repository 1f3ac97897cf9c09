import { GantryError, isGantryError } from "#base/errors.ts";
import { isEnvVarName } from "#formats/kube-names.ts";
import type { ConfigMap, Container, EnvVar, Pod, Secret, Service } from "#formats/kube-types.generated.ts";
import { expand } from "./expand.ts";
import { fieldValue, resourceValue, type PodFacts } from "./field-ref.ts";

/** Where configuration objects are read: `not-found` when one does not exist. */
export interface ConfigSource {
  configMap(namespace: string, name: string): Promise<ConfigMap>;
  secret(namespace: string, name: string): Promise<Secret>;
}

/**
 * A container's environment: services, then envFrom, then env with `$(NAME)` references to what comes before.
 * Throws `not-found` or `invalid` in the kubelet's words (they become CreateContainerConfigError).
 */
export async function containerEnvironment(
  pod: Pod,
  container: Container,
  services: readonly Service[],
  source: ConfigSource,
  facts: PodFacts,
): Promise<Map<string, string>> {
  const values = new Map<string, string>(
    pod.spec?.enableServiceLinks === false ? kubernetesService(services) : serviceVariables(pod, services),
  );
  for (const [name, value] of await valuesFrom(pod, container, source)) values.set(name, value);
  for (const variable of container.env ?? []) {
    const value = await variableValue(pod, container, variable, values, source, facts);
    if (value !== undefined) values.set(variable.name, value);
  }
  return values;
}

async function valuesFrom(pod: Pod, container: Container, source: ConfigSource): Promise<[string, string][]> {
  const namespace = pod.metadata.namespace ?? "";
  const out: [string, string][] = [];
  for (const { prefix = "", configMapRef, secretRef } of container.envFrom ?? []) {
    const data = configMapRef
      ? await optional(
          configMapRef.optional,
          async () => (await source.configMap(namespace, configMapRef.name ?? "")).data,
        )
      : secretRef
        ? await optional(secretRef.optional, async () =>
            decodeAll((await source.secret(namespace, secretRef.name ?? "")).data),
          )
        : undefined;
    // Keys that cannot be variable names are left out, as Kubernetes does.
    for (const [key, value] of Object.entries(data ?? {}))
      if (isEnvVarName(prefix + key).length === 0) out.push([prefix + key, value]);
  }
  return out;
}

async function variableValue(
  pod: Pod,
  container: Container,
  variable: EnvVar,
  values: ReadonlyMap<string, string>,
  source: ConfigSource,
  facts: PodFacts,
): Promise<string | undefined> {
  const from = variable.valueFrom;
  if (!from) return expand(variable.value ?? "", values);
  const namespace = pod.metadata.namespace ?? "";
  if (from.fieldRef) return fieldValue(pod, from.fieldRef, facts);
  if (from.resourceFieldRef) return resourceValue(container, from.resourceFieldRef, facts);
  const { configMapKeyRef: configMap, secretKeyRef: secret } = from;
  if (configMap) {
    return keyOf(
      configMap.optional,
      configMap.key,
      `configmap ${namespace}/${configMap.name}`,
      async () => (await source.configMap(namespace, configMap.name ?? "")).data,
    );
  }
  if (secret) {
    return keyOf(secret.optional, secret.key, `secret ${namespace}/${secret.name}`, async () =>
      decodeAll((await source.secret(namespace, secret.name ?? "")).data),
    );
  }
  throw new GantryError("unsupported", `env "${variable.name}": this kind of valueFrom is not supported`);
}

async function keyOf(
  isOptional: boolean | undefined,
  key: string,
  where: string,
  read: () => Promise<Record<string, string> | undefined>,
): Promise<string | undefined> {
  const data = await optional(isOptional, read);
  const value = data?.[key];
  if (value === undefined && !isOptional) throw new GantryError("not-found", `couldn't find key ${key} in ${where}`);
  return value;
}

async function optional<T>(isOptional: boolean | undefined, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isOptional && isGantryError(error, "not-found")) return undefined;
    throw error;
  }
}

function decodeAll(data: Record<string, string> | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]),
  );
}

/** Docker-link style variables for the services of the pod's namespace and the API's own (Kubernetes documentation, "Service"). */
export function serviceVariables(pod: Pod, services: readonly Service[]): [string, string][] {
  const visible = services.filter(
    ({ metadata }) => metadata.namespace === pod.metadata.namespace && !isApiService({ metadata }),
  );
  return [...kubernetesService(services), ...visible.flatMap(variablesOf)];
}

function kubernetesService(services: readonly Service[]): [string, string][] {
  return services.filter(isApiService).flatMap(variablesOf);
}

function isApiService({ metadata }: Pick<Service, "metadata">): boolean {
  return metadata.namespace === "default" && metadata.name === "kubernetes";
}

function variablesOf(service: Service): [string, string][] {
  const ip = service.spec?.clusterIP;
  const ports = service.spec?.ports ?? [];
  const [first] = ports;
  if (!ip || ip === "None" || !first) return [];
  const name = (service.metadata.name ?? "").toUpperCase().replaceAll("-", "_");
  const out: [string, string][] = [
    [`${name}_SERVICE_HOST`, ip],
    [`${name}_SERVICE_PORT`, String(first.port)],
  ];
  for (const port of ports)
    if (port.name)
      out.push([`${name}_SERVICE_PORT_${port.name.toUpperCase().replaceAll("-", "_")}`, String(port.port)]);
  out.push([`${name}_PORT`, `${(first.protocol ?? "TCP").toLowerCase()}://${ip}:${first.port}`]);
  for (const port of ports) {
    const protocol = port.protocol ?? "TCP";
    const prefix = `${name}_PORT_${port.port}_${protocol}`;
    out.push(
      [prefix, `${protocol.toLowerCase()}://${ip}:${port.port}`],
      [`${prefix}_PROTO`, protocol.toLowerCase()],
      [`${prefix}_PORT`, String(port.port)],
      [`${prefix}_ADDR`, ip],
    );
  }
  return out;
}
