import type { KubeObject } from "#formats/kube-object.ts";
import type { PersistentVolumeClaim, StorageClass } from "#formats/kube-types.generated.ts";
import type { AdmissionPlugin } from "../admission.ts";
import type { Lister } from "../reader.ts";

const DEFAULT_CLASS = [
  "storageclass.kubernetes.io/is-default-class",
  "storageclass.beta.kubernetes.io/is-default-class",
];
const CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class";

/** Claims that name no class get the default one: the newest of several (plugin/storage/storageclass/setdefault). */
export function defaultStorageClass(list: Lister): AdmissionPlugin {
  return {
    name: "DefaultStorageClass",
    async admit({ operation, definition, subresource, object }) {
      const isClaim = definition.group === "" && definition.resource === "persistentvolumeclaims" && subresource === "";
      if (!isClaim || operation !== "CREATE") return;
      const claim = object as PersistentVolumeClaim & KubeObject;
      if (claim.metadata.annotations?.[CLASS_ANNOTATION] !== undefined || claim.spec?.storageClassName !== undefined)
        return;
      const newest = newestDefault(
        (await list("storageclasses.storage.k8s.io", "")) as readonly (StorageClass & KubeObject)[],
      );
      if (newest?.metadata.name && claim.spec) claim.spec.storageClassName = newest.metadata.name;
    },
  };
}

function newestDefault<T extends KubeObject>(classes: readonly T[]): T | undefined {
  const defaults = classes.filter(({ metadata }) =>
    DEFAULT_CLASS.some((key) => metadata.annotations?.[key] === "true"),
  );
  const age = ({ metadata }: KubeObject): string => metadata.creationTimestamp ?? "";
  return defaults.toSorted((a, b) =>
    age(a) === age(b) ? ((a.metadata.name ?? "") < (b.metadata.name ?? "") ? -1 : 1) : age(a) < age(b) ? 1 : -1,
  )[0];
}

/** Ingresses that name no class get the default one (plugin/network/defaultingressclass). */
export function defaultIngressClass(list: Lister): AdmissionPlugin {
  return {
    name: "DefaultIngressClass",
    async admit({ operation, definition, subresource, object }) {
      if (definition.resource !== "ingresses" || operation !== "CREATE" || subresource !== "" || !object) return;
      const ingress = object as KubeObject & { spec?: { ingressClassName?: string } };
      if (ingress.spec?.ingressClassName !== undefined || object.metadata.annotations?.["kubernetes.io/ingress.class"])
        return;
      const classes = await list("ingressclasses.networking.k8s.io", "");
      const defaults = classes.filter(
        ({ metadata }) => metadata.annotations?.["ingressclass.kubernetes.io/is-default-class"] === "true",
      );
      const name = defaults.toSorted((a, b) =>
        (a.metadata.creationTimestamp ?? "") < (b.metadata.creationTimestamp ?? "") ? 1 : -1,
      )[0]?.metadata.name;
      if (name) ingress.spec = { ...ingress.spec, ingressClassName: name };
    },
  };
}
