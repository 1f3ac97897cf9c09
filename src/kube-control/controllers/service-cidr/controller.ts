import { kubeTime } from "#formats/kube-time.ts";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { IPAddress, ServiceCIDR } from "#formats/kube-types.generated.ts";
import type { ReconcileResult } from "#kube-client/reconcile-loop.ts";
import { controller, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { semanticEqual } from "../shared/semantic-equal.ts";
import { rangeHolds, rangeWithin } from "./ranges.ts";

const FINALIZER = "networking.k8s.io/service-cidr-finalizer";
/** Servers may still give addresses out of a range that they do not know to end. */
const GRACE_MS = 10_000;
const READY = { type: "Ready", status: "True", reason: "", message: "Kubernetes Service CIDR is ready" };
const TERMINATING = {
  type: "Ready",
  status: "False",
  reason: "Terminating",
  message: "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR",
};

/** Ranges of service addresses: ready at once, and gone only when no address needs them. */
export function serviceCidrController(context: ControllerContext): Controller {
  const ranges = informerOf(context, RESOURCES.servicecidrs);
  const addresses = informerOf(context, RESOURCES.ipaddresses);
  const keys = (): string[] => Array.from(ranges.cache.values(), objectKey);
  return controller(context, {
    name: "service-cidr-controller",
    async reconcile(key): Promise<ReconcileResult> {
      const range = ranges.cache.get(key);
      if (!range) return undefined;
      if (!range.metadata.deletionTimestamp) return makeReady(context, range);
      const others = Array.from(ranges.cache.values()).filter((each) => each !== range);
      return release(context, range, others, Array.from(addresses.cache.values()));
    },
    allKeys: keys,
    watch: (queue) => {
      const all = (): void => keys().forEach((key) => queue.add(key));
      return [
        ranges.addHandler({ add: all, update: all, delete: all }),
        // Only what goes lets a range go.
        addresses.addHandler({
          delete: () => {
            for (const range of ranges.cache.values())
              if (range.metadata.deletionTimestamp) queue.add(objectKey(range));
          },
        }),
      ];
    },
  });
}

async function makeReady({ client, clock }: ControllerContext, range: ServiceCIDR): Promise<undefined> {
  const { finalizers = [] } = range.metadata;
  if (!finalizers.includes(FINALIZER)) {
    const metadata = { ...range.metadata, finalizers: [...finalizers, FINALIZER] };
    await client.update(RESOURCES.servicecidrs, { ...range, metadata });
    return;
  }
  await setCondition({ client, clock }, range, READY);
}

async function release(
  context: ControllerContext,
  range: ServiceCIDR,
  others: readonly ServiceCIDR[],
  addresses: readonly IPAddress[],
): Promise<ReconcileResult> {
  const { finalizers = [], deletionTimestamp = "" } = range.metadata;
  if (!finalizers.includes(FINALIZER)) return undefined;
  if (isNeeded(range, others, addresses)) return setCondition(context, range, TERMINATING);
  const waitMs = Date.parse(deletionTimestamp) + GRACE_MS - context.clock.now();
  if (waitMs > 0) return { requeueAfterMs: waitMs };
  const metadata = { ...range.metadata, finalizers: finalizers.filter((each) => each !== FINALIZER) };
  await context.client.update(RESOURCES.servicecidrs, { ...range, metadata });
  return undefined;
}

/** Pure: whether an address lies in this range and in no other that stays. */
export function isNeeded(range: ServiceCIDR, others: readonly ServiceCIDR[], addresses: readonly IPAddress[]): boolean {
  const staying = others.filter(({ metadata }) => !metadata.deletionTimestamp).flatMap(({ spec }) => spec?.cidrs ?? []);
  return (range.spec?.cidrs ?? []).some((cidr) => {
    if (staying.some((other) => rangeWithin(cidr, other))) return false;
    return addresses.some(({ metadata }) => {
      const address = metadata.name ?? "";
      return rangeHolds(cidr, address) && !staying.some((other) => rangeHolds(other, address));
    });
  });
}

async function setCondition(
  { client, clock }: Pick<ControllerContext, "client" | "clock">,
  range: ServiceCIDR,
  condition: typeof READY,
): Promise<undefined> {
  const known = range.status?.conditions?.find(({ type }) => type === condition.type);
  const { status, reason, message } = known ?? {};
  if (semanticEqual({ type: "Ready", status, reason: reason ?? "", message }, condition)) return;
  const conditions = [{ ...condition, lastTransitionTime: kubeTime(clock.now()) }];
  await client.update(RESOURCES.servicecidrs, { ...range, status: { ...range.status, conditions } }, "status");
}
