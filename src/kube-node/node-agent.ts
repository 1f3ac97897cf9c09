import { errorText, isGantryError } from "#base/errors.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Lease, Node } from "#formats/kube-types.generated.ts";
import { nodeObject, nodeStatus } from "./node-object.ts";
import type { NodeDeps } from "./ports.ts";

/** As the kubelet: a lease for 40 s, renewed every 10 s; the whole status every 5 minutes or when it changes. */
const LEASE_SECONDS = 40;
const RENEW_MS = 10_000;
const STATUS_MS = 300_000;

/** Keeps the Node object and its lease alive. */
export interface NodeAgent {
  /** Reports the status now: images or conditions changed. */
  report(): void;
  close(): void;
}

/** Registers the node (or takes up the one of this name), and resolves when it is Ready in the API. */
export async function startNodeAgent(deps: NodeDeps): Promise<NodeAgent> {
  const { client, clock, config, logger } = deps;
  const nodes = deps.informers.informer(RESOURCES.nodes);
  let closed = false;
  let cancels: (() => void)[] = [];
  let reporting: Promise<void> | undefined;
  let again = false;

  const register = async (): Promise<void> => {
    try {
      await client.create(RESOURCES.nodes, nodeObject(deps, clock.now()));
    } catch (error) {
      if (!isGantryError(error, "already-exists")) throw error;
      await adopt();
    }
  };
  /** The Node was there: our labels are put on it, its taints and others' labels stay. */
  const adopt = async (): Promise<void> => {
    const { metadata, spec } = nodeObject(deps, clock.now());
    await client.patch(RESOURCES.nodes, undefined, config.name, {
      type: "merge",
      body: {
        metadata: { labels: metadata.labels, annotations: metadata.annotations },
        spec: { podCIDR: spec?.podCIDR, podCIDRs: spec?.podCIDRs },
      },
    });
    await writeStatus();
  };
  const writeStatus = async (): Promise<void> => {
    const node: Node = await client.get(RESOURCES.nodes, undefined, config.name);
    await client.patch(
      RESOURCES.nodes,
      undefined,
      config.name,
      { type: "strategic", body: { status: statusPatch(nodeStatus(deps, node, clock.now())) } },
      "status",
    );
  };
  const renewLease = async (): Promise<void> => {
    const spec: Lease["spec"] = {
      holderIdentity: config.name,
      leaseDurationSeconds: LEASE_SECONDS,
      renewTime: new Date(clock.now()).toISOString().replace("Z", "000Z"),
    };
    try {
      await client.patch(RESOURCES.leases, "kube-node-lease", config.name, { type: "merge", body: { spec } });
    } catch (error) {
      if (!isGantryError(error, "not-found")) throw error;
      const node = await client.get(RESOURCES.nodes, undefined, config.name);
      const owner = { apiVersion: "v1", kind: "Node", name: config.name, uid: node.metadata.uid ?? "" };
      await client.create(RESOURCES.leases, {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name: config.name, namespace: "kube-node-lease", ownerReferences: [owner] },
        spec,
      });
    }
  };
  const repeat = (delayMs: number, run: () => Promise<void>): void => {
    const tick = async (): Promise<void> => {
      await run().catch((error: unknown) =>
        logger.warn({ node: config.name, error: errorText(error) }, "node not reported; trying again"),
      );
      if (!closed) cancels.push(clock.after(delayMs, () => void tick()));
    };
    cancels = [...cancels, clock.after(delayMs, () => void tick())];
  };
  const report = async (): Promise<void> => {
    do {
      again = false;
      await writeStatus().catch((error: unknown) =>
        logger.warn({ node: config.name, error: errorText(error) }, "node status not written"),
      );
    } while (again && !closed);
    reporting = undefined;
  };

  /** Whoever thought that the node was gone (it was cut off, or the machine was too busy) is told that it is not. */
  const comeBack = async (): Promise<void> => {
    const node = nodes.cache.get(config.name);
    const ready = node?.status?.conditions?.find(({ type }) => type === "Ready");
    if (ready && ready.status !== "True") await writeStatus();
  };

  await register();
  await renewLease();
  repeat(RENEW_MS, async () => {
    await renewLease();
    await comeBack();
  });
  repeat(STATUS_MS, writeStatus);
  return {
    report() {
      if (reporting) again = true;
      else reporting = report();
    },
    close() {
      closed = true;
      for (const cancel of cancels) cancel();
    },
  };
}

/** Addresses merge by their type, of which a node with two families has several: the list is replaced (component-helpers' node/util). */
function statusPatch(status: NonNullable<Node["status"]>): object {
  return { ...status, addresses: [...(status.addresses ?? []), { $patch: "replace" }] };
}
