import type { ResourceDefinition } from "../resources/definition.ts";
import { namespaceStrategy } from "./namespaces.ts";
import { podStrategy } from "./pods.ts";
import { withoutStatus } from "./status.ts";
import type { Strategies, Strategy } from "./strategy.ts";

/** The strategy of each kind; kinds that need nothing of their own get the plain one. */
export function builtInStrategies(special: Readonly<Record<string, Strategy>>): Strategies {
  const own: Readonly<Record<string, Strategy>> = { pods: podStrategy, namespaces: namespaceStrategy, ...special };
  return (definition) => {
    const strategy =
      definition.group === "" || own[qualifiedName(definition)] ? own[qualifiedName(definition)] : undefined;
    return strategy ?? (definition.subresources.has("status") ? withoutStatus : PLAIN);
  };
}

const PLAIN: Strategy = {};

/** `pods`, `deployments.apps`. */
function qualifiedName({ group, resource }: ResourceDefinition): string {
  return group === "" ? resource : `${resource}.${group}`;
}
