import type { KubeObject } from "#formats/kube-object.ts";
import type { Service } from "#formats/kube-types.generated.ts";
import { forbidden } from "../../status.ts";
import type { AdmissionPlugin } from "../admission.ts";

/**
 * Services take no external addresses that they did not have: whoever may write one could take over traffic to any address
 * (CVE-2020-8554; plugin/pkg/admission/network/denyserviceexternalips). Off in kube-apiserver unless asked for, on here.
 */
export const denyServiceExternalIPs: AdmissionPlugin = {
  name: "DenyServiceExternalIPs",
  validate({ operation, definition, subresource, object, old }) {
    if (definition.group !== "" || definition.resource !== "services" || subresource !== "" || !object) return;
    if (operation !== "CREATE" && operation !== "UPDATE") return;
    const had = new Set(addressesOf(old));
    if (addressesOf(object).every((address) => had.has(address))) return;
    throw forbidden(definition, object.metadata.name ?? "", "Use of external IPs is denied by admission control");
  },
};

function addressesOf(object: KubeObject | undefined): readonly string[] {
  return (object as Service | undefined)?.spec?.externalIPs ?? [];
}
