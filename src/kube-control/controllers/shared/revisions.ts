// The history of a workload's templates as ControllerRevisions (pkg/controller/history), for DaemonSets and StatefulSets.
import { isGantryError } from "#base/errors.ts";
import { objectKey, type KubeObject, type Typed } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { ControllerRevision, PodTemplateSpec } from "#formats/kube-types.generated.ts";
import type { Selector } from "#formats/selectors.ts";
import type { Informer } from "#kube-client/informer.ts";
import { canonicalJson } from "../../shared/canonical-json.ts";
import { claim } from "./claims.ts";
import type { ControllerContext } from "./controller.ts";
import {
  BY_CONTROLLER,
  controllerOf,
  controllerReference,
  indexByController,
  indexOrphans,
  ORPHANS,
} from "./ownership.ts";
import { contentHash } from "./template-hash.ts";

/** On pods and revisions: which revision they are of. */
export const REVISION_LABEL = "controller-revision-hash";

/** What a workload must tell for its history to be kept. */
export interface Revisioned {
  readonly object: KubeObject;
  readonly resource: Typed<KubeObject>;
  readonly selector: Selector;
  readonly template: PodTemplateSpec;
  readonly collisionCount: number | undefined;
}

export interface RevisionHistory {
  /** The workload's revisions, oldest first. */
  list(workload: Revisioned): Promise<ControllerRevision[]>;
  /** The revision of the present template: made, or taken up again with a new number, when it is not the newest. */
  current(workload: Revisioned, known: readonly ControllerRevision[]): Promise<ControllerRevision>;
  /** Deletes the oldest past `limit`, but none in `inUse` (names). */
  trim(known: readonly ControllerRevision[], inUse: ReadonlySet<string>, limit: number): Promise<void>;
}

/** Keeps the history of one kind of workload. */
export function revisionHistory(context: ControllerContext): RevisionHistory {
  const { client } = context;
  const revisions: Informer<ControllerRevision> = context.informers.informer(RESOURCES.controllerrevisions);
  revisions.addIndex(BY_CONTROLLER, indexByController);
  revisions.addIndex(ORPHANS, indexOrphans);
  return {
    async list({ object, resource, selector }) {
      const { uid = "", namespace = "" } = object.metadata;
      const candidates = [
        ...revisions.cache.byIndex(BY_CONTROLLER, uid),
        ...revisions.cache.byIndex(ORPHANS, namespace),
      ];
      const claimed = await claim(
        { client, resource: RESOURCES.controllerrevisions, ownerResource: resource, owner: object, selector },
        candidates,
      );
      return claimed.sort((a, b) => a.revision - b.revision);
    },
    async current(workload, known) {
      const made = makeRevision(workload, (known.at(-1)?.revision ?? 0) + 1);
      const same = known.findLast((each) => sameData(each, made));
      if (same && same.revision === known.at(-1)?.revision) return same;
      if (same) return client.update(RESOURCES.controllerrevisions, { ...same, revision: made.revision });
      return create(context, workload, made);
    },
    async trim(known, inUse, limit) {
      const spare = known.filter(({ metadata }) => !inUse.has(metadata.name ?? ""));
      for (const { metadata } of spare.slice(0, Math.max(0, spare.length - limit))) {
        const { namespace, name = "", uid } = metadata;
        await client
          .delete(RESOURCES.controllerrevisions, namespace, name, { preconditions: { uid } })
          .catch((error: unknown) => {
            if (!isGantryError(error, "not-found")) throw error;
          });
      }
    },
  };
}

/** A name that another owner's revision has leads to the next name (`collisions`); one of our own is the one wanted. */
async function create(
  context: ControllerContext,
  workload: Revisioned,
  made: ControllerRevision,
): Promise<ControllerRevision> {
  let candidate = made;
  for (let collisions = (workload.collisionCount ?? 0) + 1; ; collisions++) {
    try {
      return await context.client.create(RESOURCES.controllerrevisions, candidate);
    } catch (error) {
      if (!isGantryError(error, "already-exists")) throw error;
      const { namespace, name = "" } = candidate.metadata;
      const found = await context.client.get(RESOURCES.controllerrevisions, namespace, name);
      if (sameData(found, made) && controllerOf(found)?.uid === workload.object.metadata.uid) return found;
      candidate = named(workload, made, contentHash(made.data, collisions));
    }
  }
}

function makeRevision(workload: Revisioned, revision: number): ControllerRevision {
  // As kubectl rollout undo applies it: a patch that replaces the template.
  const data = { spec: { template: { ...workload.template, $patch: "replace" } } };
  const { resource } = workload;
  const made: ControllerRevision = {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: {
      namespace: workload.object.metadata.namespace,
      annotations: workload.object.metadata.annotations,
      ownerReferences: [controllerReference(resource, workload.object)],
    },
    data,
    revision,
  };
  return named(workload, made, contentHash(data, workload.collisionCount));
}

function named(workload: Revisioned, revision: ControllerRevision, hash: string): ControllerRevision {
  const labels = { ...workload.template.metadata?.labels, [REVISION_LABEL]: hash };
  return {
    ...revision,
    metadata: { ...revision.metadata, name: `${workload.object.metadata.name ?? ""}-${hash}`, labels },
  };
}

function sameData(a: ControllerRevision, b: ControllerRevision): boolean {
  return canonicalJson(a.data) === canonicalJson(b.data);
}

/** The value of the label that pods of a revision have. */
export function revisionHash(revision: ControllerRevision): string {
  return revision.metadata.labels?.[REVISION_LABEL] ?? objectKey(revision);
}

/** The template that a revision remembers. */
export function revisionTemplate(revision: ControllerRevision): PodTemplateSpec | undefined {
  const data = revision.data as { spec?: { template?: PodTemplateSpec & { $patch?: string } } } | undefined;
  if (!data?.spec?.template) return undefined;
  const { $patch: _, ...template } = data.spec.template;
  return template;
}
