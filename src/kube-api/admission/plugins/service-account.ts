import type { Random } from "#base/random.ts";
import { nameSuffix } from "#base/ids.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import type { Container, PodSpec, ServiceAccount, Volume } from "#formats/kube-types.generated.ts";
import { forbidden } from "../../status.ts";
import type { AdmissionPlugin, Attributes } from "../admission.ts";
import type { Reader } from "../reader.ts";
import { createdPod, type PodObject } from "./pods.ts";

const MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
const MIRROR = "kubernetes.io/config.mirror";
/** An hour, and some for the kubelet to renew it in (serviceaccount.WarnOnlyBoundTokenExpirationSeconds). */
const EXPIRATION_SECONDS = 3607;
const ENFORCE_MOUNTABLE = "kubernetes.io/enforce-mountable-secrets";

type Account = ServiceAccount & KubeObject;

export interface ServiceAccountOptions {
  readonly read: Reader;
  readonly random: Random;
  /** Makes a namespace's `default` account when no controller has done so yet. */
  readonly createDefault: (namespace: string) => Promise<void>;
}

/** Gives pods their service account, its token as a volume, and its pull secrets (plugin/serviceaccount). */
export function serviceAccount({ read, random, createDefault }: ServiceAccountOptions): AdmissionPlugin {
  const find = async (namespace: string, name: string): Promise<Account | undefined> => {
    const found = await read("serviceaccounts", namespace, name);
    if (found || name !== "default") return found as Account | undefined;
    await createDefault(namespace);
    return (await read("serviceaccounts", namespace, name)) as Account | undefined;
  };
  return {
    name: "ServiceAccount",
    async admit(attributes) {
      const pod = createdPod(attributes);
      if (!pod) return;
      const refuse = (why: string): Error => forbidden(attributes.definition, pod.metadata.name ?? "", why);
      if (pod.metadata.annotations?.[MIRROR] !== undefined) return checkMirror(pod, refuse);
      const { spec } = pod;
      const name = spec.serviceAccountName || "default";
      spec.serviceAccountName = name;
      spec.serviceAccount = name;
      const account = await find(attributes.namespace, name);
      if (!account)
        throw refuse(
          `error looking up service account ${attributes.namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`,
        );
      if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(pod, random);
      if (!spec.imagePullSecrets?.length && account.imagePullSecrets?.length)
        spec.imagePullSecrets = account.imagePullSecrets;
    },
    async validate(attributes) {
      const pod = createdPod(attributes);
      if (pod) await checkSecrets(read, attributes, pod, usesOf(pod.spec));
      else if (attributes.subresource === "ephemeralcontainers" && attributes.operation === "UPDATE") {
        const debugged = attributes.object as PodObject;
        await checkSecrets(read, attributes, debugged, containerUses("ephemeral container", ephemeral(debugged.spec)));
      }
    },
  };
}

function checkMirror({ spec }: PodObject, refuse: (why: string) => Error): void {
  if (spec.serviceAccountName) throw refuse("a mirror pod may not reference service accounts");
  for (const volume of spec.volumes ?? []) {
    if (volume.secret) throw refuse("a mirror pod may not reference secrets");
    if (volume.projected?.sources?.some((source) => source.serviceAccountToken)) {
      throw refuse("a mirror pod may not use ServiceAccountToken volume projections");
    }
  }
}

function mountToken({ spec }: PodObject, random: Random): void {
  const known = (spec.volumes ?? []).find(({ name }) => name.startsWith("kube-api-access-"));
  const name = known?.name ?? `kube-api-access-${nameSuffix(5, random)}`;
  let mounted = false;
  for (const container of [...(spec.initContainers ?? []), ...spec.containers])
    mounted = mountInto(container, name) || mounted;
  if (mounted && !known) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
}

/** False when the container has something else there. */
function mountInto(container: Container, name: string): boolean {
  const mounts = container.volumeMounts ?? [];
  if (mounts.some(({ mountPath }) => mountPath === MOUNT_PATH)) return false;
  container.volumeMounts = [...mounts, { name, readOnly: true, mountPath: MOUNT_PATH }];
  return true;
}

function tokenVolume(name: string): Volume {
  const namespace = { path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } };
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: EXPIRATION_SECONDS, path: "token" } },
        { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
        { downwardAPI: { items: [namespace] } },
      ],
    },
  };
}

/** One way in which a pod refers to a secret. */
interface SecretUse {
  readonly secret: string | undefined;
  /** `volume with`, `container web with envVar X referencing` */
  readonly how: string;
}

/** An account may limit which secrets its pods use: in volumes, env, envFrom and pull secrets, of every container kind. */
async function checkSecrets(
  read: Reader,
  { definition, namespace }: Attributes,
  pod: PodObject,
  uses: readonly SecretUse[],
): Promise<void> {
  const { spec } = pod;
  const account = (await read("serviceaccounts", namespace, spec.serviceAccountName ?? "")) as Account | undefined;
  if (account?.metadata.annotations?.[ENFORCE_MOUNTABLE] !== "true") return;
  const name = account.metadata.name ?? "";
  const refuse = (why: string): Error => forbidden(definition, pod.metadata.name ?? "", why);
  const mountable = new Set((account.secrets ?? []).map((secret) => secret.name));
  for (const { secret, how } of uses) {
    if (secret === undefined || mountable.has(secret)) continue;
    throw refuse(
      `${how} secret.secretName=${JSON.stringify(secret)} is not allowed because service account ${name} does not reference that secret`,
    );
  }
  const pullable = new Set((account.imagePullSecrets ?? []).map((secret) => secret.name));
  for (const { name: secret = "" } of spec.imagePullSecrets ?? []) {
    if (pullable.has(secret)) continue;
    throw refuse(
      `imagePullSecret name=${JSON.stringify(secret)} is not allowed because service account ${name} does not reference that imagePullSecret`,
    );
  }
}

function usesOf(spec: PodSpec): SecretUse[] {
  const volumes = (spec.volumes ?? []).flatMap(({ secret, projected }) => [
    secret?.secretName,
    ...(projected?.sources ?? []).map((source) => source.secret?.name),
  ]);
  return [
    ...volumes.map((secret) => ({ secret, how: "volume with" })),
    ...containerUses("init container", spec.initContainers),
    ...containerUses("container", spec.containers),
    ...containerUses("ephemeral container", ephemeral(spec)),
  ];
}

function ephemeral(spec: PodSpec): readonly Container[] {
  return (spec.ephemeralContainers ?? []) as readonly Container[];
}

function containerUses(kind: string, containers: readonly Container[] = []): SecretUse[] {
  return containers.flatMap(({ name, env, envFrom }) => [
    ...(env ?? []).map((variable) => ({
      secret: variable.valueFrom?.secretKeyRef?.name,
      how: `${kind} ${name} with envVar ${variable.name} referencing`,
    })),
    ...(envFrom ?? []).map((source) => ({
      secret: source.secretRef?.name,
      how: `${kind} ${name} with envFrom referencing`,
    })),
  ]);
}
