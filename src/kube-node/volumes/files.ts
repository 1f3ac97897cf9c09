import { GantryError, isGantryError } from "#base/errors.ts";
import type {
  Container,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  VolumeProjection,
} from "#formats/kube-types.generated.ts";
import type { ConfigSource } from "../pods/environment.ts";
import { fieldValue, resourceValue, type PodFacts } from "../pods/field-ref.ts";
import type { VolumeFile } from "./atomic-directory.ts";

/** A service account's token for the pod, and when it must be renewed (epoch milliseconds). */
export type TokenSource = (request: {
  audience: string | undefined;
  expirationSeconds: number;
}) => Promise<{ token: string; renewAt: number }>;

export interface FileInputs {
  readonly pod: Pod;
  readonly source: ConfigSource;
  readonly facts: PodFacts;
  readonly token: TokenSource;
}

/** The files of a volume, and when they must be made anew without any object having changed. */
export interface VolumeFiles {
  readonly files: readonly VolumeFile[];
  readonly renewAt?: number;
}

const DEFAULT_MODE = 0o644;
const DEFAULT_TOKEN_SECONDS = 3600;

/** The files of one source; a projected volume is the union of several. Throws `not-found` for a missing object or key. */
export async function projectedFiles(
  inputs: FileInputs,
  sources: readonly VolumeProjection[],
  defaultMode = DEFAULT_MODE,
): Promise<VolumeFiles> {
  const all = await Promise.all(sources.map((source) => filesOf(inputs, source, defaultMode)));
  const renewals = all.flatMap(({ renewAt }) => (renewAt === undefined ? [] : [renewAt]));
  return {
    files: all.flatMap(({ files }) => files),
    ...(renewals.length > 0 ? { renewAt: Math.min(...renewals) } : {}),
  };
}

async function filesOf(inputs: FileInputs, source: VolumeProjection, mode: number): Promise<VolumeFiles> {
  const namespace = inputs.pod.metadata.namespace ?? "";
  const { configMap, secret, downwardAPI, serviceAccountToken } = source;
  if (configMap) {
    const read = async () => {
      const { data, binaryData } = await inputs.source.configMap(namespace, configMap.name ?? "");
      return [
        ...Object.entries(data ?? {}).map(([key, text]): Entry => [key, Buffer.from(text)]),
        ...Object.entries(binaryData ?? {}).map(([key, text]): Entry => [key, Buffer.from(text, "base64")]),
      ];
    };
    return {
      files: await keyFiles(
        read,
        configMap.items,
        configMap.optional,
        mode,
        `configmap ${namespace}/${configMap.name}`,
      ),
    };
  }
  if (secret) {
    const read = async () =>
      Object.entries((await inputs.source.secret(namespace, secret.name ?? "")).data ?? {}).map(
        ([key, text]): Entry => [key, Buffer.from(text, "base64")],
      );
    return { files: await keyFiles(read, secret.items, secret.optional, mode, `secret ${namespace}/${secret.name}`) };
  }
  if (downwardAPI) return { files: (downwardAPI.items ?? []).map((item) => downwardFile(inputs, item, mode)) };
  if (serviceAccountToken) {
    const { token, renewAt } = await inputs.token({
      audience: serviceAccountToken.audience,
      expirationSeconds: serviceAccountToken.expirationSeconds ?? DEFAULT_TOKEN_SECONDS,
    });
    const owner = inputs.pod.spec?.securityContext?.runAsUser;
    // Only its user may read a token; without a known user it is world readable in the pod, as in Kubernetes.
    return {
      files: [
        {
          path: serviceAccountToken.path,
          content: Buffer.from(token),
          mode: owner === undefined ? mode : 0o600,
          ...(owner === undefined ? {} : { uid: owner }),
        },
      ],
      renewAt,
    };
  }
  throw new GantryError("unsupported", `projected volume source ${Object.keys(source).join(", ")} is not supported`);
}

type Entry = [string, Buffer];

async function keyFiles(
  read: () => Promise<Entry[]>,
  items: readonly KeyToPath[] | undefined,
  optional: boolean | undefined,
  mode: number,
  where: string,
): Promise<VolumeFile[]> {
  let entries: Map<string, Buffer>;
  try {
    entries = new Map(await read());
  } catch (error) {
    if (optional && isGantryError(error, "not-found")) return [];
    throw error;
  }
  if (!items || items.length === 0) return Array.from(entries, ([path, content]) => ({ path, content, mode }));
  return items.flatMap((item) => {
    const content = entries.get(item.key);
    if (content) return [{ path: item.path, content, mode: item.mode ?? mode }];
    if (optional) return [];
    throw new GantryError("not-found", `references non-existent ${where.split(" ")[0]} key: ${item.key}`);
  });
}

function downwardFile(inputs: FileInputs, item: DownwardAPIVolumeFile, mode: number): VolumeFile {
  return { path: item.path, content: Buffer.from(downwardText(inputs, item)), mode: item.mode ?? mode };
}

function downwardText({ pod, facts }: FileInputs, item: DownwardAPIVolumeFile): string {
  if (item.fieldRef) return fieldValue(pod, item.fieldRef, facts);
  const selector = item.resourceFieldRef;
  const container = (pod.spec?.containers as Container[] | undefined)?.find(
    ({ name }) => name === selector?.containerName,
  );
  if (!selector || !container)
    throw new GantryError("invalid", `downward API file ${item.path}: names no field and no container's resource`);
  return resourceValue(container, selector, facts);
}
