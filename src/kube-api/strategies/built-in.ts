import { customStrategy, customWithStatus, definitionStrategy } from "../custom/strategy.ts";
import type { ResourceDefinition } from "../resources/definition.ts";
import { jobStrategy } from "./jobs.ts";
import { namespaceStrategy } from "./namespaces.ts";
import { podStrategy } from "./pods.ts";
import { withoutStatus } from "./status.ts";
import type { Strategies, Strategy } from "./strategy.ts";
import { needsRevision, refused, startsWithStatus, UNCONDITIONAL, webhookConfigurationStrategy } from "./small.ts";

const NO_CEL = "admission policies (CEL) are not enforced by this server";

const OWN: Readonly<Record<string, Strategy>> = {
  pods: podStrategy,
  namespaces: namespaceStrategy,
  nodes: UNCONDITIONAL,
  persistentvolumes: startsWithStatus({ phase: "Pending" }),
  persistentvolumeclaims: startsWithStatus({ phase: "Pending" }),
  endpoints: { createOnUpdate: true },
  limitranges: { createOnUpdate: true },
  "jobs.batch": jobStrategy,
  "leases.coordination.k8s.io": { createOnUpdate: true },
  "runtimeclasses.node.k8s.io": needsRevision,
  "mutatingwebhookconfigurations.admissionregistration.k8s.io": webhookConfigurationStrategy,
  "validatingwebhookconfigurations.admissionregistration.k8s.io": webhookConfigurationStrategy,
  "validatingadmissionpolicybindings.admissionregistration.k8s.io": refused("spec.policyName", NO_CEL),
  "mutatingadmissionpolicybindings.admissionregistration.k8s.io": refused("spec.policyName", NO_CEL),
  "apiservices.apiregistration.k8s.io": refused("spec.service", "API aggregation is not supported", (object) => {
    return (object as { spec?: { service?: object } }).spec?.service !== undefined;
  }),
  "customresourcedefinitions.apiextensions.k8s.io": definitionStrategy,
};

/** The strategy of each kind; kinds that need nothing of their own get the plain one. */
export function builtInStrategies(special: Readonly<Record<string, Strategy>>): Strategies {
  const known: Readonly<Record<string, Strategy>> = { ...OWN, ...special };
  return (definition) => {
    if (definition.custom) return definition.subresources.has("status") ? customWithStatus : customStrategy;
    const name = qualifiedName(definition);
    const own = Object.hasOwn(known, name) ? known[name] : undefined;
    return own ?? (definition.subresources.has("status") ? withoutStatus : UNCONDITIONAL);
  };
}

/** `pods`, `deployments.apps`. */
function qualifiedName({ group, resource }: ResourceDefinition): string {
  return group === "" ? resource : `${resource}.${group}`;
}
