import { boundedQueue } from "#base/bounded-queue.ts";
import type { Clock } from "#base/clock.ts";
import { errorText, isGantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { kubeTime } from "#formats/kube-time.ts";
import type { Event, ObjectReference } from "#formats/kube-types.generated.ts";
import type { KubeClient } from "./client.ts";
import { eventCorrelator, type Correlated, type EventCorrelator } from "./event-correlator.ts";

export type EventType = "Normal" | "Warning";

/** Writes Events about objects, in the background: recording never fails and never waits. */
export interface EventRecorder {
  /**
   * `object` is one from the API (with kind and apiVersion); `action` is what was being done (events.k8s.io); `fieldPath` the part of
   * the object that is meant: `spec.containers{web}`.
   */
  record(
    object: KubeObject,
    type: EventType,
    reason: string,
    message: string,
    action?: string,
    fieldPath?: string,
  ): void;
  /** Resolves when everything recorded so far has been written or given up. */
  flushed(): Promise<void>;
  stop(): void;
}

export interface EventRecorderOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** As in `kubectl describe`, column From: `deployment-controller`, `default-scheduler`, `kubelet`. */
  readonly component: string;
  readonly host?: string;
}

/** Events waiting to be written; one more drops the oldest. */
const CAPACITY = 1000;
/** Longest note of an Event (events.k8s.io validation). */
const MESSAGE_BYTES = 1024;

/** Makes a recorder for one component. */
export function eventRecorder(options: EventRecorderOptions): EventRecorder {
  const { clock, logger } = options;
  const queue = boundedQueue<Event>(CAPACITY, "drop-oldest");
  const correlator = eventCorrelator();
  let unwritten = 0;
  let sequence = 0;
  let waiting: (() => void)[] = [];
  const settle = (): void => {
    if (unwritten > 0 || queue.length > 0) return;
    for (const resolve of waiting.splice(0)) resolve();
  };
  const run = async (): Promise<void> => {
    for await (const event of queue) {
      unwritten = 1;
      await write(options.client, correlator, event, clock.now()).catch((error: unknown) => {
        // An event about a namespace that is going away has nowhere to be.
        logger.debug({ error: errorText(error), reason: event.reason }, "event not written");
      });
      unwritten = 0;
      settle();
    }
  };
  void run();
  return {
    record(object, type, reason, message, action, fieldPath) {
      queue.push(makeEvent(options, object, { type, reason, message, action, fieldPath }, sequence++));
    },
    flushed() {
      if (queue.length === 0 && unwritten === 0) return Promise.resolve();
      return new Promise((resolve) => waiting.push(resolve));
    },
    stop() {
      queue.close();
      for (const resolve of waiting) resolve();
      waiting = [];
    },
  };
}

/** The reference to an object as Events and bindings carry it. */
export function referenceTo(object: KubeObject): ObjectReference {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  return { kind: object.kind, apiVersion: object.apiVersion, name, namespace, uid, resourceVersion };
}

interface Said {
  readonly type: EventType;
  readonly reason: string;
  readonly message: string;
  readonly action: string | undefined;
  readonly fieldPath: string | undefined;
}

function makeEvent(options: EventRecorderOptions, object: KubeObject, said: Said, sequence: number): Event {
  const { component, host } = options;
  const now = options.clock.now();
  // client-go names events by the nanosecond; the sequence keeps those of one millisecond apart.
  const stamp = (BigInt(Math.floor(now)) * 1_000_000n + BigInt(sequence % 1_000_000)).toString(16);
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: {
      name: `${object.metadata.name ?? ""}.${stamp}`,
      // Events about cluster-scoped objects live in the default namespace.
      namespace: object.metadata.namespace ?? "default",
    },
    involvedObject:
      said.fieldPath === undefined ? referenceTo(object) : { ...referenceTo(object), fieldPath: said.fieldPath },
    type: said.type,
    reason: said.reason,
    message: shorten(said.message),
    source: host === undefined ? { component } : { component, host },
    firstTimestamp: kubeTime(now),
    lastTimestamp: kubeTime(now),
    count: 1,
    reportingComponent: component,
    reportingInstance: host ?? "",
    ...(said.action === undefined ? {} : { action: said.action }),
  };
}

function shorten(message: string): string {
  return Buffer.byteLength(message) <= MESSAGE_BYTES ? message : `${message.slice(0, MESSAGE_BYTES - 4)} ...`;
}

async function write(client: KubeClient, correlator: EventCorrelator, event: Event, nowMs: number): Promise<void> {
  const correlated = correlator.correlate(event, nowMs);
  if (correlated.kind === "drop") return;
  if (correlated.kind === "count" && (await raiseCount(client, correlator, event, correlated))) return;
  await client.create(RESOURCES.events, { ...event, message: correlated.message });
  correlator.written(correlated.key, event.metadata.name ?? "", 1);
}

/** False when the event to count up is no longer there. */
async function raiseCount(
  client: KubeClient,
  correlator: EventCorrelator,
  event: Event,
  known: Extract<Correlated, { kind: "count" }>,
): Promise<boolean> {
  const body = { count: known.count, lastTimestamp: event.lastTimestamp, message: known.message };
  try {
    await client.patch(RESOURCES.events, event.metadata.namespace, known.name, { type: "merge", body });
    correlator.written(known.key, known.name, known.count);
    return true;
  } catch (error) {
    if (!isGantryError(error, "not-found")) throw error;
    correlator.forget(known.key);
    return false;
  }
}
