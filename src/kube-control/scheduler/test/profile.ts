// For tests of decisions without an API: the default plugins over a cluster.
import { seededRandom } from "#base/random.ts";
import type { PodDisruptionBudget } from "#formats/kube-types.generated.ts";
import type { Selector } from "#formats/selectors.ts";
import type { ClusterState } from "../cluster/cluster-state.ts";
import { imageTable } from "../cluster/images.ts";
import { namespaceTable } from "../cluster/namespaces.ts";
import { podCounts } from "../cluster/pod-groups.ts";
import { buildProfile, type ProfileConfig } from "../config/build-profile.ts";
import { fitCheck } from "../framework/decide.ts";
import type { Profile } from "../framework/profile.ts";

export interface TestProfileOptions {
  readonly config?: Partial<ProfileConfig>;
  readonly namespaces?: Readonly<Record<string, Record<string, string>>>;
  readonly budgets?: readonly PodDisruptionBudget[];
  readonly workloadSelector?: Selector;
}

/** A profile whose plugins see only the cluster. */
export function testProfile(cluster: ClusterState, options: TestProfileOptions = {}): Profile {
  const namespaces = namespaceTable();
  for (const [name, labels] of Object.entries(options.namespaces ?? {})) namespaces.set(name, labels);
  const profile: Profile = buildProfile(
    { schedulerName: "default-scheduler", ...options.config },
    {
      random: seededRandom(1),
      cluster,
      counts: podCounts(cluster),
      namespaces,
      images: imageTable(cluster),
      workloadSelector: () => options.workloadSelector,
      volumes: {
        claim: () => undefined,
        volume: () => undefined,
        volumes: () => [],
        storageClass: () => undefined,
        csiNode: () => undefined,
        csiNodesRevision: () => 0,
        csiDriver: () => undefined,
        capacities: () => [],
      },
      bindVolumes: () => Promise.resolve(),
      budgets: () => options.budgets ?? [],
      fits: (cycle) => fitCheck(profile, cycle),
      bindPod: () => Promise.resolve(),
      extenders: [],
      ignoredResources: [],
      evict: () => Promise.resolve(),
    },
  );
  return profile;
}
