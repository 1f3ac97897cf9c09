import { errorText, GantryError } from "#base/errors.ts";
import { POD_METRICS } from "#formats/kube-metrics.ts";
import { objectKey, type KubeObject, type Resource, type Typed } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerStatus,
  Pod,
  Scale,
} from "#formats/kube-types.generated.ts";
import { formatSelector, matchesSelector, parseSelector, type Selector } from "#formats/selectors.ts";
import type { EventRecorder } from "#kube-client/events.ts";
import type { Informer } from "#kube-client/informer.ts";
import type { ReconcileResult } from "#kube-client/reconcile-loop.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { sameStatus, semanticEqual } from "../shared/semantic-equal.ts";
import { withStatusCondition } from "./conditions.ts";
import type { History } from "./history.ts";
import type { Measured } from "./metrics.ts";
import { planScale, type Observed } from "./plan.ts";

/** kube-controller-manager's default of --horizontal-pod-autoscaler-sync-period. */
const SYNC_MS = 15_000;
const NAME = "horizontal-pod-autoscaler-controller";

interface Parts {
  readonly context: ControllerContext;
  readonly autoscalers: Informer<HorizontalPodAutoscaler>;
  readonly pods: Informer<Pod>;
  readonly events: EventRecorder;
  /** One entry for each autoscaler. */
  readonly histories: Map<string, History>;
  readonly selectors: Map<string, Selector>;
}

/** Scales what has a scale to what its pods use. While there is an autoscaler, it looks every 15 s: use is no event. */
export function horizontalPodAutoscaler(context: ControllerContext): Controller {
  const autoscalers = informerOf(context, RESOURCES.horizontalpodautoscalers);
  const pods = informerOf(context, RESOURCES.pods);
  const events = context.events("horizontal-pod-autoscaler");
  const parts: Parts = { context, autoscalers, pods, events, histories: new Map(), selectors: new Map() };
  return controller(context, {
    name: NAME,
    reconcile: (key) => reconcile(parts, key),
    allKeys: () => Array.from(autoscalers.cache.values(), objectKey),
    watch: (queue) => [
      enqueueFrom(
        autoscalers,
        queue,
        (each) => [objectKey(each)],
        // Its own writes are no reason to look again.
        (before, after) => !semanticEqual(before.spec, after.spec),
      ),
    ],
  });
}

async function reconcile(parts: Parts, key: string): Promise<ReconcileResult> {
  const autoscaler = parts.autoscalers.cache.get(key);
  if (!autoscaler) {
    parts.histories.delete(key);
    parts.selectors.delete(key);
    return undefined;
  }
  await scaleOne(parts, key, autoscaler).catch((error: unknown) => {
    // What went wrong is told by conditions and events; the next look is due all the same.
    parts.context.logger.debug({ controller: NAME, key, error: errorText(error) }, "not scaled");
  });
  return { requeueAfterMs: SYNC_MS };
}

interface Target {
  readonly resource: Typed<KubeObject>;
  readonly scale: Scale;
}

async function scaleOne(parts: Parts, key: string, autoscaler: HorizontalPodAutoscaler): Promise<void> {
  const { context, events, histories } = parts;
  const target = await targetOf(parts, autoscaler);
  const observed = await observe(parts, key, autoscaler, target.scale);
  const plan = planScale(observed);
  histories.set(key, plan.history);
  const { rescale } = plan;
  if (rescale) {
    const scale = { ...target.scale, spec: { ...target.scale.spec, replicas: rescale.replicas } };
    try {
      await context.client.update(target.resource as Typed<Scale>, scale, "scale");
    } catch (error) {
      if (observed.history) histories.set(key, observed.history);
      await notRescaled(parts, autoscaler, observed, rescale, errorText(error));
      throw error;
    }
  }
  for (const { type, reason, message } of plan.events) events.record(autoscaler, type, reason, message);
  await writeStatus(parts, autoscaler, plan.status);
  if (plan.failed !== undefined) throw new GantryError("unavailable", plan.failed);
}

async function notRescaled(
  parts: Parts,
  autoscaler: HorizontalPodAutoscaler,
  { scale, nowMs }: Observed,
  { replicas, reason }: { readonly replicas: number; readonly reason: string },
  error: string,
): Promise<void> {
  const said = `New size: ${replicas}; reason: ${reason}; error: ${error}`;
  parts.events.record(autoscaler, "Warning", "FailedRescale", said);
  const message = `the HPA controller was unable to update the target scale: ${error}`;
  const condition = { type: "AbleToScale", status: "False", reason: "FailedUpdateScale", message };
  const { status } = autoscaler;
  await writeStatus(parts, autoscaler, {
    ...status,
    desiredReplicas: status?.desiredReplicas ?? 0,
    currentReplicas: scale.spec?.replicas ?? 0,
    conditions: withStatusCondition(status?.conditions ?? [], condition, nowMs),
  });
}

async function writeStatus(
  { context }: Parts,
  autoscaler: HorizontalPodAutoscaler,
  status: HorizontalPodAutoscalerStatus,
): Promise<void> {
  if (sameStatus(autoscaler.status, status)) return;
  await context.client.update(RESOURCES.horizontalpodautoscalers, { ...autoscaler, status }, "status");
}

/** The scale of what the autoscaler points at. Says why there is none. */
async function targetOf(parts: Parts, autoscaler: HorizontalPodAutoscaler): Promise<Target> {
  const { context, events } = parts;
  const { namespace } = autoscaler.metadata;
  const { apiVersion = "", kind = "", name = "" } = autoscaler.spec?.scaleTargetRef ?? {};
  try {
    const resource = await resourceOf(context, apiVersion, kind);
    const scale = (await context.client.get(resource, namespace, name, "scale")) as Scale;
    return { resource, scale };
  } catch (error) {
    const text = errorText(error);
    events.record(autoscaler, "Warning", "FailedGetScale", text);
    const message = `the HPA controller was unable to get the target's current scale: ${text}`;
    const condition = { type: "AbleToScale", status: "False", reason: "FailedGetScale", message };
    const { status } = autoscaler;
    await writeStatus(parts, autoscaler, {
      ...status,
      desiredReplicas: status?.desiredReplicas ?? 0,
      conditions: withStatusCondition(status?.conditions ?? [], condition, context.clock.now()),
    });
    throw error;
  }
}

async function resourceOf({ discovery }: ControllerContext, apiVersion: string, kind: string): Promise<Resource> {
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  const served = await discovery.resources();
  const found = served.find((each) => each.kind === kind && each.group === group);
  if (found) return found;
  const where = group === "" ? "" : ` in group "${group}"`;
  throw new GantryError("not-found", `no matches for kind "${kind}"${where}`);
}

async function observe(
  parts: Parts,
  key: string,
  autoscaler: HorizontalPodAutoscaler,
  scale: Scale,
): Promise<Observed> {
  const { context, histories } = parts;
  const nowMs = context.clock.now();
  const common = { autoscaler, scale, history: histories.get(key) };
  const target = selected(parts, key, autoscaler, scale.status?.selector ?? "");
  if ("failed" in target) return { ...common, target, measured: { metrics: [] }, nowMs };
  const measured = await measure(parts, autoscaler, scale.status?.selector ?? "");
  return { ...common, target, measured, nowMs: context.clock.now() };
}

/** The pods of the target; not those that two autoscalers would scale. */
function selected(
  { pods, selectors, events }: Parts,
  key: string,
  autoscaler: HorizontalPodAutoscaler,
  text: string,
): Observed["target"] {
  const fail = (event: string, reason: string, message: string, said = message): Observed["target"] => {
    events.record(autoscaler, "Warning", event, said);
    return { failed: { reason, message } };
  };
  if (text === "") {
    const message = "the HPA target's scale is missing a selector";
    return fail("SelectorRequired", "InvalidSelector", message, "selector is required");
  }
  let selector: Selector;
  try {
    selector = parseSelector(text);
  } catch (error) {
    const why = `couldn't convert selector into a corresponding internal selector object: ${errorText(error)}`;
    return fail("InvalidSelector", "InvalidSelector", why);
  }
  selectors.set(key, selector);
  const { namespace = "" } = autoscaler.metadata;
  const own = Array.from(pods.cache.values()).filter(
    ({ metadata }) => metadata.namespace === namespace && matchesSelector(selector, metadata.labels),
  );
  const rivals = Array.from(selectors).filter(
    ([other, theirs]) =>
      other !== key &&
      other.startsWith(`${namespace}/`) &&
      own.some(({ metadata }) => matchesSelector(theirs, metadata.labels)),
  );
  if (rivals.length === 0) return { pods: own };
  const keys = [key, ...rivals.map(([other]) => other)].sort().join(" ");
  const message = `pods by selector ${formatSelector(selector)} are controlled by multiple HPAs: [${keys}]`;
  return fail("AmbiguousSelector", "AmbiguousSelector", message);
}

async function measure(
  { context }: Parts,
  { metadata, spec }: HorizontalPodAutoscaler,
  labelSelector: string,
): Promise<Measured> {
  const needed = spec?.metrics?.some(({ type }) => type === "Resource" || type === "ContainerResource") ?? false;
  if (!needed) return { metrics: [] };
  try {
    const { namespace } = metadata;
    const { items } = await context.client.list(POD_METRICS, {
      ...(namespace === undefined ? {} : { namespace }),
      labelSelector,
    });
    return { metrics: items };
  } catch (error) {
    return { failed: errorText(error) };
  }
}
