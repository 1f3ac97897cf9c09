// Discovery documents, of the old form (a list per group version) and the aggregated one.
import { createHash } from "node:crypto";
import { apiVersionOf, type ResourceDefinition } from "../resources/definition.ts";
import type { ResourceTable } from "../resources/table.ts";

/** Groups by falling priority (k8s.io/kubernetes, apiserver aggregator's apiVersionPriorities); others follow by name. */
const GROUP_ORDER = [
  "",
  "apiregistration.k8s.io",
  "apps",
  "events.k8s.io",
  "authentication.k8s.io",
  "authorization.k8s.io",
  "autoscaling",
  "batch",
  "certificates.k8s.io",
  "networking.k8s.io",
  "policy",
  "rbac.authorization.k8s.io",
  "storage.k8s.io",
  "admissionregistration.k8s.io",
  "apiextensions.k8s.io",
  "scheduling.k8s.io",
  "coordination.k8s.io",
  "node.k8s.io",
  "discovery.k8s.io",
  "resource.k8s.io",
  "flowcontrol.apiserver.k8s.io",
];

interface Group {
  readonly name: string;
  /** The preferred one first. */
  readonly versions: readonly { readonly version: string; readonly resources: readonly ResourceDefinition[] }[];
}

export interface CachedDocument {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

export interface Discovery {
  /** The document at `/api`, `/apis`, `/api/v1`, `/apis/GROUP` or `/apis/GROUP/VERSION`; undefined: no such path. */
  document(path: string): object | undefined;
  /** The aggregated document of `/api` or `/apis`. */
  aggregated(path: "/api" | "/apis", version: string): CachedDocument;
}

/** Documents are made when first asked for, and anew when resources come or go. */
export function discovery(table: ResourceTable): Discovery {
  let groups: readonly Group[] | undefined;
  const cache = new Map<string, CachedDocument>();
  table.changed.on(() => {
    groups = undefined;
    cache.clear();
  });
  const all = (): readonly Group[] => (groups ??= groupsOf(table.all()));
  const find = (name: string): Group | undefined => all().find((group) => group.name === name);
  return {
    document(path) {
      const [, root, name, version, more] = path.replace(/\/$/, "").split("/");
      if (root === "api" && version === undefined)
        return name === undefined ? API_VERSIONS : resourceList(find(""), name);
      if (root !== "apis" || more !== undefined) return undefined;
      if (name === undefined) return groupList(all());
      const group = name === "" ? undefined : find(name);
      if (version === undefined) return group ? { kind: "APIGroup", apiVersion: "v1", ...groupOf(group) } : undefined;
      return resourceList(group, version);
    },
    aggregated(path, version) {
      const key = `${path} ${version}`;
      const known = cache.get(key);
      if (known) return known;
      const items = all()
        .filter((group) => (group.name === "") === (path === "/api"))
        .map(aggregatedGroup);
      const document = {
        kind: "APIGroupDiscoveryList",
        apiVersion: `apidiscovery.k8s.io/${version}`,
        metadata: {},
        items,
      };
      const bytes = Buffer.from(JSON.stringify(document));
      const made = { bytes, etag: `"${createHash("sha256").update(bytes).digest("hex").toUpperCase()}"` };
      cache.set(key, made);
      return made;
    },
  };
}

const API_VERSIONS = {
  kind: "APIVersions",
  versions: ["v1"],
  serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: "" }],
};

function groupsOf(resources: readonly ResourceDefinition[]): Group[] {
  const groups = new Map<string, Map<string, ResourceDefinition[]>>();
  for (const definition of resources) {
    const versions = groups.get(definition.group) ?? new Map<string, ResourceDefinition[]>();
    groups.set(definition.group, versions);
    versions.set(definition.version, [...(versions.get(definition.version) ?? []), definition]);
  }
  return Array.from(groups, ([name, versions]) => ({
    name,
    versions: Array.from(versions, ([version, list]) => ({ version, resources: list })).toSorted((a, b) =>
      compareVersions(b.version, a.version),
    ),
  })).toSorted((a, b) => rankOf(a.name) - rankOf(b.name) || (a.name < b.name ? -1 : 1));
}

function rankOf(name: string): number {
  const known = GROUP_ORDER.indexOf(name);
  return known < 0 ? GROUP_ORDER.length : known;
}

/** By Kubernetes' version priority: v2 over v1 over v1beta2 over v1alpha1 over anything else. */
export function compareVersions(a: string, b: string): number {
  const parse = (text: string): number[] => {
    const match = /^v([0-9]+)(?:(alpha|beta)([0-9]+))?$/.exec(text);
    if (!match) return [0, 0, 0];
    const stage = match[2] === undefined ? 3 : match[2] === "beta" ? 2 : 1;
    return [stage, Number(match[1]), Number(match[3] ?? 0)];
  };
  const left = parse(a);
  const right = parse(b);
  const difference = left.findIndex((part, index) => part !== right[index]);
  return difference < 0 ? (a < b ? 1 : -1) : (left[difference] ?? 0) - (right[difference] ?? 0);
}

function groupOf({ name, versions }: Group) {
  const list = versions.map(({ version }) => ({ groupVersion: apiVersionOf({ group: name, version }), version }));
  return { name, versions: list, preferredVersion: list[0] };
}

function groupList(groups: readonly Group[]): object {
  return { kind: "APIGroupList", apiVersion: "v1", groups: groups.filter(({ name }) => name !== "").map(groupOf) };
}

function resourceList(group: Group | undefined, version: string): object | undefined {
  const found = group?.versions.find((one) => one.version === version);
  if (!group || !found) return undefined;
  const resources = found.resources.flatMap(apiResources).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: apiVersionOf({ group: group.name, version }),
    resources,
  };
}

function apiResources(definition: ResourceDefinition) {
  const { resource, singular, namespaced, kind, verbs, shortNames, categories } = definition;
  const own = {
    name: resource,
    singularName: singular,
    namespaced,
    kind,
    verbs,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
    ...(verbs.includes("get") && !definition.live ? { storageVersionHash: storageHash(definition) } : {}),
  };
  const subresources = Array.from(
    definition.subresources.values(),
    ({ name, group, version, kind: of, verbs: can }) => ({
      name: `${resource}/${name}`,
      singularName: "",
      namespaced,
      ...(group === undefined ? {} : { group, version }),
      kind: of,
      verbs: can,
    }),
  );
  return [own, ...subresources];
}

/** k8s.io/apiserver pkg/endpoints/discovery StorageVersionHash. */
function storageHash(definition: ResourceDefinition): string {
  const { group, version, kind } = definition.stored?.definition ?? definition;
  return createHash("sha256").update(`${group}/${version}/${kind}`).digest().subarray(0, 8).toString("base64");
}

function aggregatedGroup({ name, versions }: Group) {
  return {
    metadata: { name, creationTimestamp: null },
    versions: versions.map(({ version, resources }) => ({
      version,
      resources: resources.map(aggregatedResource),
      freshness: "Current",
    })),
  };
}

function aggregatedResource(definition: ResourceDefinition) {
  const { group, version, resource, singular, namespaced, kind, verbs, shortNames, categories } = definition;
  const subresources = Array.from(definition.subresources.values(), (one) => ({
    subresource: one.name,
    responseKind: { group: one.group ?? group, version: one.version ?? version, kind: one.kind },
    verbs: one.verbs,
  }));
  return {
    resource,
    responseKind: { group, version, kind },
    scope: namespaced ? "Namespaced" : "Cluster",
    singularResource: singular,
    verbs,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
    ...(subresources.length > 0 ? { subresources } : {}),
  };
}
