import type { KubeObject } from "../kube-object.ts";
import type { AuthenticationTokenRequest, WebhookClientConfig } from "../kube-types.generated.ts";
import { defaultServicePort } from "./policies.ts";

interface CustomResourceDefinition extends KubeObject {
  spec?: {
    names?: { kind?: string; singular?: string; listKind?: string };
    conversion?: { strategy?: string; webhook?: { clientConfig?: Pick<WebhookClientConfig, "service"> } };
  };
}

/** SetDefaults_CustomResourceDefinition. */
export function defaultCustomResource(object: KubeObject): void {
  const { spec } = object as CustomResourceDefinition;
  if (!spec) return;
  const { names } = spec;
  if (names?.kind) {
    names.singular ||= names.kind.toLowerCase();
    names.listKind ||= `${names.kind}List`;
  }
  const conversion = (spec.conversion ??= {});
  conversion.strategy ||= "None";
  defaultServicePort(conversion.webhook?.clientConfig);
}

export function defaultApiService(object: KubeObject): void {
  defaultServicePort((object as { spec?: Pick<WebhookClientConfig, "service"> }).spec);
}

/** SetDefaults_TokenRequest: tokens live an hour. */
export function defaultTokenRequest({ spec }: AuthenticationTokenRequest): void {
  if (spec) spec.expirationSeconds ??= 3600;
}

interface PriorityLevel extends KubeObject {
  spec?: {
    type?: string;
    exempt?: { nominalConcurrencyShares?: number; lendablePercent?: number };
    limited?: {
      nominalConcurrencyShares?: number;
      lendablePercent?: number;
      limitResponse?: { type?: string; queuing?: { handSize?: number; queues?: number; queueLengthLimit?: number } };
    };
  };
}

/** SetDefaults_LimitedPriorityLevelConfiguration, _ExemptPriorityLevelConfiguration, _QueuingConfiguration. */
export function defaultPriorityLevel(object: KubeObject): void {
  const { spec } = object as PriorityLevel;
  if (spec?.type === "Exempt") {
    const exempt = (spec.exempt ??= {});
    exempt.nominalConcurrencyShares ??= 0;
    exempt.lendablePercent ??= 0;
  }
  if (!spec?.limited) return;
  spec.limited.nominalConcurrencyShares ??= 30;
  spec.limited.lendablePercent ??= 0;
  const queuing = spec.limited.limitResponse?.queuing;
  if (!queuing) return;
  queuing.handSize ||= 8;
  queuing.queues ||= 64;
  queuing.queueLengthLimit ||= 50;
}

export function defaultFlowSchema(object: KubeObject): void {
  const { spec } = object as { spec?: { matchingPrecedence?: number } };
  if (spec) spec.matchingPrecedence ||= 1000;
}

interface DeviceRequest {
  allocationMode?: string;
  count?: number;
  tolerations?: { operator?: string }[];
}
interface Claim {
  devices?: { requests?: { exactly?: DeviceRequest; firstAvailable?: DeviceRequest[] }[] };
}

/** SetDefaults_ExactDeviceRequest, _DeviceSubRequest, _DeviceToleration. */
export function defaultResourceClaim(object: KubeObject): void {
  const { spec } = object as { spec?: Claim & { spec?: Claim } };
  for (const claim of [spec, spec?.spec]) {
    for (const { exactly, firstAvailable } of claim?.devices?.requests ?? []) {
      for (const request of [...(exactly ? [exactly] : []), ...(firstAvailable ?? [])]) {
        request.allocationMode ||= "ExactCount";
        if (request.allocationMode === "ExactCount") request.count ||= 1;
        for (const toleration of request.tolerations ?? []) toleration.operator ||= "Equal";
      }
    }
  }
}
