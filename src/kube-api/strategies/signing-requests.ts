import type { Clock } from "#base/clock.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import { kubeTime } from "#formats/kube-time.ts";
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from "#formats/kube-types.generated.ts";
import { clearStatus } from "./status.ts";
import type { Strategy } from "./strategy.ts";

type Conditions = readonly CertificateSigningRequestCondition[];

/** Who asks is whoever made the request. Decisions are made by the approval subresource, everything else by the status. */
export function signingRequestStrategy(clock: Clock): Strategy {
  return {
    prepareForCreate(object, { user }) {
      const { spec } = object as CertificateSigningRequest;
      for (const field of ["username", "uid", "groups", "extra"] as const) delete spec[field];
      const { name, uid, groups, extra } = user;
      spec.username = name;
      spec.groups = [...groups];
      if (uid !== undefined) spec.uid = uid;
      if (extra) spec.extra = Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]]));
      clearStatus(object);
    },
    prepareForUpdate(object, old) {
      const { spec } = old as CertificateSigningRequest;
      Object.assign(object, { spec });
    },
    prepareForStatusUpdate: (object, old) => merge(object, old, { decided: old, other: object }, clock.now()),
    prepareForApproval: (object, old) => merge(object, old, { decided: object, other: old }, clock.now()),
  };
}

interface Sources {
  /** Whose decisions hold. */
  readonly decided: KubeObject;
  /** Whose certificate and other conditions do. */
  readonly other: KubeObject;
}

function merge(object: KubeObject, old: KubeObject, { decided, other }: Sources, nowMs: number): void {
  const isDecision = ({ type }: CertificateSigningRequestCondition): boolean =>
    type === "Approved" || type === "Denied";
  const before = conditionsOf(old);
  const wanted = [
    ...conditionsOf(decided).filter(isDecision),
    ...conditionsOf(other).filter((condition) => !isDecision(condition)),
  ];
  const conditions = wanted.map((condition) => stamped(condition, before, nowMs));
  const { certificate } = (other as CertificateSigningRequest).status ?? {};
  (object as CertificateSigningRequest).status = {
    ...(certificate === undefined ? {} : { certificate }),
    ...(conditions.length > 0 ? { conditions } : {}),
  };
}

function conditionsOf(object: KubeObject): Conditions {
  return (object as CertificateSigningRequest).status?.conditions ?? [];
}

/** With the times that its writer left open. */
function stamped(condition: CertificateSigningRequestCondition, before: Conditions, nowMs: number) {
  const known = before.find(({ type, status }) => type === condition.type && status === condition.status);
  const now = kubeTime(nowMs);
  return {
    ...condition,
    lastUpdateTime: condition.lastUpdateTime ?? now,
    lastTransitionTime: condition.lastTransitionTime ?? known?.lastTransitionTime ?? now,
  };
}
