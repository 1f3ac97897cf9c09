// Which address families a service has (k8s.io/kubernetes pkg/registry/core/service/storage/alloc.go).
import type { ServiceSpec } from "#formats/kube-types.generated.ts";
import type { FieldFault } from "../../status.ts";
import { familyOf, type IpFamily } from "./addresses.ts";

type FamilySpec = Pick<ServiceSpec, "type" | "clusterIP" | "clusterIPs" | "ipFamilies" | "ipFamilyPolicy" | "selector">;

/**
 * Fills `ipFamilyPolicy` and `ipFamilies` in, and takes the second family away from a service that is to have one only.
 * `configured`: the cluster's families, the default first. Returns what is wrong.
 */
export function settleFamilies(
  spec: FamilySpec,
  before: FamilySpec | undefined,
  configured: readonly IpFamily[],
): FieldFault[] {
  if (spec.type === "ExternalName") return [];
  const old = before?.type === "ExternalName" ? undefined : before;
  // A cluster that gets or loses a family leaves such services as they are until they are changed in just this.
  if (old?.ipFamilyPolicy === "PreferDualStack" && isUnchanged(spec, old)) return [];
  spec.ipFamilyPolicy ??= old?.ipFamilyPolicy ?? (isFree(spec) ? "RequireDualStack" : "SingleStack");
  if (spec.ipFamilyPolicy === "SingleStack" && old) trim(spec, old);
  const faults = [...countFaults(spec), ...inferFromAddresses(spec, configured)];
  if (faults.length > 0) return faults;
  if (isFree(spec)) {
    spec.ipFamilies = withSecond(spec, configured[0] ?? "IPv4");
    return [];
  }
  faults.push(...configuredFaults(spec, configured));
  if (faults.length > 0) return faults;
  const families = spec.ipFamilies?.length ? spec.ipFamilies : [configured[0] ?? "IPv4"];
  spec.ipFamilies = configured.length > 1 ? withSecond({ ...spec, ipFamilies: families }, "IPv4") : families;
  return [];
}

function isUnchanged(spec: FamilySpec, old: FamilySpec): boolean {
  const text = ({ ipFamilyPolicy, ipFamilies, clusterIPs }: FamilySpec): string =>
    JSON.stringify([ipFamilyPolicy, ipFamilies, clusterIPs]);
  return text(spec) === text(old);
}

/** Headless without a selector: its endpoints are somebody's own, of any family. */
function isFree({ clusterIP, selector }: FamilySpec): boolean {
  return clusterIP === "None" && Object.keys(selector ?? {}).length === 0;
}

function withSecond({ ipFamilies = [], ipFamilyPolicy }: FamilySpec, first: IpFamily): string[] {
  const families = ipFamilies.length > 0 ? ipFamilies : [first];
  if (ipFamilyPolicy === "SingleStack" || families.length > 1) return families;
  return [...families, families[0] === "IPv4" ? "IPv6" : "IPv4"];
}

/** One that had two families and now says SingleStack need not name which goes: it is the second. */
function trim(spec: FamilySpec, old: FamilySpec): void {
  if ((old.ipFamilyPolicy ?? "SingleStack") === "SingleStack") return;
  if (isSameList(spec.clusterIPs, old.clusterIPs)) spec.clusterIPs = spec.clusterIPs?.slice(0, 1) ?? [];
  if (isSameList(spec.ipFamilies, old.ipFamilies)) spec.ipFamilies = spec.ipFamilies?.slice(0, 1) ?? [];
}

function isSameList(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  return a !== undefined && a.length === 2 && a.join() === b?.join();
}

function countFaults({ ipFamilies = [], clusterIPs = [], ipFamilyPolicy }: FamilySpec): FieldFault[] {
  if (ipFamilyPolicy !== "SingleStack") return [];
  const two = ipFamilies.length > 1 ? "ipFamilies" : clusterIPs.length > 1 ? "clusterIPs" : undefined;
  if (two === undefined) return [];
  const why = `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${two === "clusterIPs" ? "cluster IPs" : "IP families"} are specified`;
  return [fault("spec.ipFamilyPolicy", `"SingleStack"`, why)];
}

function inferFromAddresses(spec: FamilySpec, configured: readonly IpFamily[]): FieldFault[] {
  const addresses = (spec.clusterIPs ?? []).filter((address) => address !== "None" && address !== "");
  const faults: FieldFault[] = [];
  const families = [...(spec.ipFamilies ?? [])];
  for (const [index, address] of addresses.entries()) {
    const family = familyOf(address);
    if (families[index] !== undefined) {
      if (families[index] !== family)
        faults.push(
          fault(
            `spec.clusterIPs[${index}]`,
            `"${address}"`,
            `expected an ${families[index]} value as indicated by \`ipFamilies[${index}]\``,
          ),
        );
    } else if (configured.includes(family)) families.push(family);
    else
      faults.push(fault(`spec.clusterIPs[${index}]`, list(addresses), `${family} is not configured on this cluster`));
  }
  if (families.length > 0) spec.ipFamilies = families;
  return faults;
}

function configuredFaults(
  { ipFamilies = [], ipFamilyPolicy }: FamilySpec,
  configured: readonly IpFamily[],
): FieldFault[] {
  const faults: FieldFault[] = [];
  if (ipFamilyPolicy === "RequireDualStack" && configured.length < 2)
    faults.push(
      fault("spec.ipFamilyPolicy", `"RequireDualStack"`, "this cluster is not configured for dual-stack services"),
    );
  for (const [index, family] of ipFamilies.entries())
    if (!configured.some((each) => each === family))
      faults.push(fault(`spec.ipFamilies[${index}]`, `"${family}"`, "not configured on this cluster"));
  return faults;
}

function list(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(",")}]`;
}

function fault(field: string, value: string, why: string): FieldFault {
  return { field, message: `Invalid value: ${value}: ${why}`, reason: "FieldValueInvalid" };
}
