import type { KubeObject } from "#formats/kube-object.ts";
import type { Namespace } from "#formats/kube-types.generated.ts";
import { failure, forbidden, notFound, qualified } from "../../status.ts";
import type { AdmissionPlugin, Attributes } from "../admission.ts";
import type { Reader } from "../reader.ts";

const IMMORTAL = new Set(["default", "kube-system", "kube-public"]);

/** Nothing is made in a namespace that is not there or is going; some namespaces stay (plugin/namespace/lifecycle). */
export function namespaceLifecycle(reader: Reader): AdmissionPlugin {
  return {
    name: "NamespaceLifecycle",
    async admit(attributes) {
      const { operation, definition, namespace, object, name } = attributes;
      if (operation !== "CREATE" || !definition.namespaced || definition.group === "authorization.k8s.io") return;
      const found = await reader("namespaces", "", namespace);
      if (!found) throw notFound({ group: "", resource: "namespaces" }, namespace);
      if (isTerminating(found)) throw terminating(attributes, object?.metadata.name ?? name);
    },
    validate({ operation, definition, name }) {
      if (
        operation !== "DELETE" ||
        definition.group !== "" ||
        definition.resource !== "namespaces" ||
        !IMMORTAL.has(name)
      )
        return;
      throw forbidden(definition, name, "this namespace may not be deleted");
    },
  };
}

function isTerminating(namespace: KubeObject): boolean {
  return namespace.metadata.deletionTimestamp !== undefined || (namespace as Namespace).status?.phase === "Terminating";
}

function terminating({ definition, namespace }: Attributes, name: string): Error {
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  const cause = {
    reason: "NamespaceTerminating",
    message: `namespace ${namespace} is being terminated`,
    field: "metadata.namespace",
  };
  return failure({
    code: "forbidden",
    http: 403,
    reason: "Forbidden",
    message: `${qualified(definition)} "${name}" is forbidden: ${why}`,
    details: {
      name,
      ...(definition.group === "" ? {} : { group: definition.group }),
      kind: definition.resource,
      causes: [cause],
    },
  });
}
