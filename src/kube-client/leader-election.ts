import type { Clock } from "#base/clock.ts";
import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import { systemRandom, type Random } from "#base/random.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { kubeMicroTime } from "#formats/kube-time.ts";
import type { Lease, LeaseSpec } from "#formats/kube-types.generated.ts";
import type { KubeClient } from "./client.ts";
import type { EventRecorder } from "./events.ts";
import { informer } from "./informer.ts";
import { waitFor } from "./wait.ts";

export interface LeaderElectionOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: Random;
  /** Who this candidate is: unique among them. */
  readonly identity: string;
  /** The Lease that is fought for. */
  readonly namespace: string;
  readonly name: string;
  readonly leaseDurationMs?: number;
  readonly renewDeadlineMs?: number;
  readonly retryPeriodMs?: number;
  /** Works while leading; must have ended all its writes some time after `lost` fires. */
  lead(lost: AbortSignal): Promise<void>;
  onNewLeader?(identity: string): void;
  /** Says "became leader" on the Lease. */
  readonly events?: EventRecorder;
  readonly signal: AbortSignal;
}

/**
 * Stands for election on a Lease as client-go does (15 s lease, 10 s to renew, tries 2 s apart) and leads once elected. Returns when the
 * lead was lost or `signal` fired; in the latter case the Lease is released after `lead` has ended, so that the next one need not wait.
 * Other candidates' clocks are not trusted: a lease is over when it did not change for its duration by our own clock.
 */
export async function runLeaderElection(options: LeaderElectionOptions): Promise<void> {
  const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2000 } = options;
  if (leaseDurationMs <= renewDeadlineMs || renewDeadlineMs <= retryPeriodMs * 1.2) {
    throw new GantryError(
      "invalid",
      "leader election: leaseDuration must exceed renewDeadline, and that 1.2 retryPeriods",
    );
  }
  const timing = { leaseDurationMs, renewDeadlineMs, retryPeriodMs };
  const lease = await acquire(options, timing);
  if (!lease) return;
  const text = `${options.identity} became leader`;
  options.events?.record(lease, "Normal", "LeaderElection", text);
  options.logger.info({ lease: `${options.namespace}/${options.name}` }, text);
  await leadWhileRenewed(options, timing, lease);
}

interface Timing {
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
}

/** Watches the Lease until it is ours; undefined when `signal` fired first. */
async function acquire(options: LeaderElectionOptions, timing: Timing): Promise<Lease | undefined> {
  const { client, clock, logger, random = systemRandom, namespace, name, signal } = options;
  const selectors = { namespace, fieldSelector: `metadata.name=${name}` };
  const leases = informer(RESOURCES.leases, { client, clock, logger, random, selectors });
  let observedAt = clock.now();
  let leader: string | undefined;
  let wake = (): void => undefined;
  const changed = (lease: Lease): void => {
    observedAt = clock.now();
    const holder = lease.spec?.holderIdentity;
    if (holder && holder !== leader) options.onNewLeader?.(holder);
    leader = holder;
    wake();
  };
  leases.addHandler({ add: changed, update: (_, after) => changed(after), delete: () => wake() });
  const stop = (): void => leases.stop();
  signal.addEventListener("abort", stop, { once: true });
  leases.start();
  try {
    await leases.whenSynced().catch(() => undefined);
    while (!signal.aborted) {
      const current = leases.cache.get(`${namespace}/${name}`);
      const wait = current ? remainingMs(current, options.identity, observedAt, timing, clock) : 0;
      const taken = wait <= 0 ? await take(options, timing, current) : undefined;
      if (taken) return taken;
      const waking = new AbortController();
      wake = () => waking.abort();
      await waitFor(
        clock,
        Math.max(wait, timing.retryPeriodMs * (1 + random.next())),
        AbortSignal.any([signal, waking.signal]),
      );
    }
    return undefined;
  } finally {
    signal.removeEventListener("abort", stop);
    leases.stop();
  }
}

/** How long the lease still belongs to someone else. */
function remainingMs(lease: Lease, identity: string, observedAt: number, timing: Timing, clock: Clock): number {
  const holder = lease.spec?.holderIdentity;
  if (!holder || holder === identity) return 0;
  const durationMs = (lease.spec?.leaseDurationSeconds ?? timing.leaseDurationMs / 1000) * 1000;
  return observedAt + durationMs - clock.now();
}

/** Writes our name into the Lease; undefined when another was faster or the API did not answer. */
async function take(
  options: LeaderElectionOptions,
  timing: Timing,
  current: Lease | undefined,
): Promise<Lease | undefined> {
  const { client, clock, identity, namespace, name, logger } = options;
  const now = kubeMicroTime(clock.now());
  const same = current?.spec?.holderIdentity === identity;
  const transitions = current?.spec?.leaseTransitions ?? 0;
  const spec: LeaseSpec = {
    ...current?.spec,
    holderIdentity: identity,
    leaseDurationSeconds: Math.ceil(timing.leaseDurationMs / 1000),
    acquireTime: same ? (current.spec?.acquireTime ?? now) : now,
    renewTime: now,
    leaseTransitions: current && !same ? transitions + 1 : transitions,
  };
  try {
    if (current) return await client.update(RESOURCES.leases, { ...current, spec });
    return await client.create(RESOURCES.leases, {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { namespace, name },
      spec,
    });
  } catch (error) {
    logger.debug({ error: errorText(error), lease: `${namespace}/${name}` }, "lease not taken");
    return undefined;
  }
}

/** Leads and renews side by side, until the lead is lost, given up, or ends by itself. */
async function leadWhileRenewed(options: LeaderElectionOptions, timing: Timing, lease: Lease): Promise<void> {
  const lost = new AbortController();
  const leading = options.lead(AbortSignal.any([lost.signal, options.signal])).finally(() => lost.abort());
  const last = await renewUntilLost(options, timing, lease, AbortSignal.any([lost.signal, options.signal]));
  lost.abort();
  await leading;
  if (last) await release(options, last);
}

/** Renews every retry period. Returns the Lease when told to stop, undefined when it was lost. */
async function renewUntilLost(
  options: LeaderElectionOptions,
  timing: Timing,
  lease: Lease,
  signal: AbortSignal,
): Promise<Lease | undefined> {
  const { client, clock, identity, logger } = options;
  let current = lease;
  let renewedAt = clock.now();
  for (;;) {
    await waitFor(clock, timing.retryPeriodMs, signal);
    if (signal.aborted) return current;
    try {
      const spec = { ...current.spec, renewTime: kubeMicroTime(clock.now()) };
      current = await client.update(RESOURCES.leases, { ...current, spec });
      renewedAt = clock.now();
    } catch (error) {
      if (isGantryError(error, "conflict")) {
        const now = await client.get(RESOURCES.leases, options.namespace, options.name).catch(() => current);
        if (now.spec?.holderIdentity !== identity) {
          logger.warn({ holder: now.spec?.holderIdentity }, "lost the lead");
          return undefined;
        }
        current = now;
      }
      if (clock.now() - renewedAt < timing.renewDeadlineMs) continue;
      logger.error({ error: errorText(error) }, "lease could not be renewed in time: stopped leading");
      return undefined;
    }
  }
}

/** Hands the Lease back, so that another candidate takes it at once. */
async function release(options: LeaderElectionOptions, lease: Lease): Promise<void> {
  const now = kubeMicroTime(options.clock.now());
  const spec = { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1, renewTime: now, acquireTime: now };
  try {
    await options.client.update(RESOURCES.leases, { ...lease, spec });
  } catch (error) {
    options.logger.debug({ error: errorText(error) }, "lease not released; it will run out");
  }
}
