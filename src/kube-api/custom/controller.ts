// Watches definitions: accepts their names, serves their resources, and clears up after those that go.
import { isGantryError } from "#base/errors.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import { kubeTime } from "#formats/kube-time.ts";
import { sameTree } from "#formats/tree.ts";
import type { StoreEvent, Watch } from "#store/store.ts";
import type { Api } from "../api.ts";
import { systemContext } from "../context.ts";
import { documentOf } from "../registry/document.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import { remove } from "../verbs/delete.ts";
import { update } from "../verbs/update.ts";
import { customResources } from "./definition.ts";
import type { CustomCondition, CustomNames, CustomResourceDefinition } from "./schema.ts";

export const CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io";

export interface CustomResources {
  /** Serves what is defined already, and follows changes from then on. */
  start(): Promise<void>;
  close(): void;
}

export function customResourceController(api: Api): CustomResources {
  const definition = api.resources.expect("apiextensions.k8s.io", "v1", "customresourcedefinitions");
  let watch: Watch | undefined;
  let work: Promise<void> = Promise.resolve();
  const take = (crd: CustomResourceDefinition): void => {
    // One after the other: two definitions may want the same names.
    work = work
      .then(() => settle(api, definition, crd))
      .catch((error: unknown) => {
        api.logger.error(
          { error: String(error), definition: crd.metadata.name },
          "custom resource definition not settled",
        );
      });
  };
  const follow = (events: readonly StoreEvent[]): void => {
    for (const { key, current } of events) {
      if (current) take(documentOf(current).object as CustomResourceDefinition);
      else api.resources.replace(key.slice(definition.prefix.length), []);
    }
  };
  return {
    async start() {
      const { items, revision } = await api.store.range(definition.prefix);
      for (const entry of items) {
        const crd = documentOf(entry).object as CustomResourceDefinition;
        if (isEstablished(crd)) serve(api, crd);
        take(crd);
      }
      watch = api.store.watch(definition.prefix, revision, follow);
    },
    close: () => watch?.close(),
  };
}

function isEstablished({ status }: CustomResourceDefinition): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === "Established" && is === "True") ?? false;
}

function serve(api: Api, crd: CustomResourceDefinition): void {
  api.resources.replace(crd.metadata.name ?? "", customResources(crd));
}

async function settle(api: Api, definition: ResourceDefinition, crd: CustomResourceDefinition): Promise<void> {
  const name = crd.metadata.name ?? "";
  if (crd.metadata.deletionTimestamp) return clearUp(api, definition, crd);
  const status = wantedStatus(api, crd);
  if (sameTree(status, crd.status)) {
    if (isEstablished(crd)) serve(api, crd);
    return;
  }
  await change(api, definition, name, (object) => {
    const current = object as CustomResourceDefinition;
    return { ...current, status: wantedStatus(api, current) } as KubeObject;
  });
}

/** Runs a status change; a definition that went meanwhile needs none. */
async function change(
  api: Api,
  definition: ResourceDefinition,
  name: string,
  to: (object: KubeObject) => KubeObject,
): Promise<void> {
  const target = { definition, namespace: "", name, subresource: "status" };
  const fresh = (object: KubeObject): KubeObject => {
    const next = structuredClone(to(object));
    delete next.metadata.resourceVersion;
    return next;
  };
  await update(api, systemContext(), target, fresh).catch((error: unknown) => {
    if (!isGantryError(error, "not-found")) throw error;
  });
}

/** The status as it should be: names accepted unless another resource of the group has them (apiextensions' naming controller). */
function wantedStatus(api: Api, crd: CustomResourceDefinition): NonNullable<CustomResourceDefinition["status"]> {
  const now = kubeTime(api.clock.now());
  const taken = namesTaken(api, crd);
  const { singular = crd.spec.names.kind.toLowerCase(), listKind = `${crd.spec.names.kind}List` } = crd.spec.names;
  const names: CustomNames = { ...crd.spec.names, singular, listKind };
  const before = crd.status?.conditions ?? [];
  const accepted = taken === undefined;
  const established = accepted || isEstablished(crd);
  const conditions = [
    condition(
      before,
      now,
      "NamesAccepted",
      accepted,
      accepted ? "NoConflicts" : "NamesConflict",
      accepted ? "no conflicts found" : taken,
    ),
    condition(
      before,
      now,
      "Established",
      established,
      established ? "InitialNamesAccepted" : "NotAccepted",
      established ? "the initial names have been accepted" : "not all names are accepted",
    ),
    ...before.filter(({ type }) => type !== "NamesAccepted" && type !== "Established"),
  ];
  const stored = crd.spec.versions.find(({ storage }) => storage)?.name ?? "";
  const storedVersions = Array.from(new Set([...(crd.status?.storedVersions ?? []), stored]));
  const acceptedNames = accepted ? names : (crd.status?.acceptedNames ?? { plural: "", kind: "" });
  return { ...crd.status, conditions, acceptedNames, storedVersions };
}

function condition(
  before: readonly CustomCondition[],
  now: string,
  type: string,
  holds: boolean,
  reason: string,
  message: string,
): CustomCondition {
  const status = holds ? "True" : "False";
  const old = before.find((one) => one.type === type);
  const same = old?.status === status && old.reason === reason && old.message === message;
  return same
    ? old
    : { type, status, reason, message, lastTransitionTime: old?.status === status ? old.lastTransitionTime : now };
}

/** Which name is another's already. */
function namesTaken(api: Api, { spec, metadata }: CustomResourceDefinition): string | undefined {
  const own = new Set(spec.versions.map(({ name }) => name));
  const others = api.resources
    .all()
    .filter(({ group, resource }) => group === spec.group && `${resource}.${group}` !== metadata.name);
  for (const other of others) {
    if (other.kind === spec.names.kind && own.has(other.version))
      return `${JSON.stringify(spec.names.kind)} is already in use`;
    const words = new Set([other.resource, other.singular, ...other.shortNames]);
    for (const word of [spec.names.plural, spec.names.singular ?? "", ...(spec.names.shortNames ?? [])]) {
      if (words.has(word)) return `${JSON.stringify(word)} is already in use`;
    }
  }
  return undefined;
}

/** Deletes every object of the resource; when none is left, the definition may go. */
async function clearUp(api: Api, definition: ResourceDefinition, crd: CustomResourceDefinition): Promise<void> {
  const [resource] = customResources(crd);
  const stored = resource?.stored?.definition ?? resource;
  const name = crd.metadata.name ?? "";
  if (!crd.metadata.finalizers?.includes(CLEANUP_FINALIZER)) return;
  if (stored) await deleteAll(api, stored);
  const left = stored ? (await api.store.range(stored.prefix, { limit: 1 })).items.length : 0;
  if (left > 0 && stored) return awaitEmpty(api, definition, crd, stored);
  await update(api, systemContext(), { definition, namespace: "", name, subresource: "" }, (current) => {
    const metadata = {
      ...current.metadata,
      finalizers: (current.metadata.finalizers ?? []).filter((one) => one !== CLEANUP_FINALIZER),
    };
    delete metadata.resourceVersion;
    return structuredClone({ ...current, metadata });
  }).catch((error: unknown) => {
    if (!isGantryError(error, "not-found")) throw error;
  });
}

async function deleteAll(api: Api, resource: ResourceDefinition): Promise<void> {
  for (const entry of (await api.store.range(resource.prefix)).items) {
    const { namespace = "", name = "" } = documentOf(entry).object.metadata;
    await remove(api, systemContext(), resource, namespace, name).catch((error: unknown) => {
      if (!isGantryError(error, "not-found")) throw error;
    });
  }
}

/** Objects with finalizers go in their own time: the last one's end is what the definition waits for. */
function awaitEmpty(
  api: Api,
  definition: ResourceDefinition,
  crd: CustomResourceDefinition,
  resource: ResourceDefinition,
): void {
  const watch = api.store.watch(resource.prefix, api.store.revision, (events) => {
    if (!events.some(({ kind }) => kind === "delete")) return;
    watch.close();
    void clearUp(api, definition, crd).catch((error: unknown) =>
      api.logger.error({ error: String(error) }, "custom resources not cleared"),
    );
  });
}
