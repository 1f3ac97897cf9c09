import type { Resource } from "#formats/kube-object.ts";
import type { APIGroupList, APIResourceList } from "#formats/kube-types.generated.ts";

/** A resource that the API serves, in its preferred version. */
export interface ServedResource extends Resource {
  readonly verbs: readonly string[];
}

/** What the API serves now: custom resources come and go. Namespace deletion and garbage collection need to know all of it. */
export interface ResourceDiscovery {
  /** Every resource (no subresources) of every group in its preferred version. */
  resources(): Promise<readonly ServedResource[]>;
}

/** Reads the discovery documents through `document(path)`. A group that does not answer makes the whole fail: half a list deletes half a namespace. */
export async function discoverResources(document: (path: string) => Promise<unknown>): Promise<ServedResource[]> {
  const groups = (await document("/apis")) as APIGroupList;
  const paths = groups.groups.flatMap((group) => {
    const preferred = group.preferredVersion?.groupVersion;
    const others = group.versions.map((version) => version.groupVersion).filter((each) => each !== preferred);
    return (preferred === undefined ? others : [preferred, ...others]).map((each) => `/apis/${each}`);
  });
  const lists = await Promise.all(["/api/v1", ...paths].map(async (path) => (await document(path)) as APIResourceList));
  const served = new Map<string, ServedResource>();
  for (const resource of lists.flatMap(servedResources)) {
    // The first version that has it is the preferred one.
    const name = `${resource.resource}.${resource.group}`;
    if (!served.has(name)) served.set(name, resource);
  }
  return Array.from(served.values());
}

function servedResources(list: APIResourceList): ServedResource[] {
  const [version = "", group = ""] = list.groupVersion.split("/").toReversed();
  return list.resources
    .filter((resource) => !resource.name.includes("/"))
    .map(({ name, kind, namespaced, verbs }) => ({ group, version, resource: name, kind, namespaced, verbs }));
}
