import { isPathSegment, isDnsSubdomain } from "../kube-names.ts";
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  Subject,
} from "../kube-types.generated.ts";
import { sameTree } from "../tree.ts";
import { child, each, invalid, invalidEach, notSupported, required, type FieldErrors } from "./errors.ts";
import { checkSelector } from "./meta.ts";

const GROUP = "rbac.authorization.k8s.io";

/** ValidatePolicyRule. */
function checkRule(rule: PolicyRule, namespaced: boolean, path: string): FieldErrors {
  const errors: FieldErrors = [];
  if (!rule.verbs?.length) errors.push(required(child(path, "verbs"), "verbs must contain at least one value"));
  if (rule.nonResourceURLs?.length) {
    if (namespaced)
      errors.push(
        invalid(
          child(path, "nonResourceURLs"),
          rule.nonResourceURLs,
          "namespaced rules cannot apply to non-resource URLs",
        ),
      );
    if (rule.apiGroups?.length || rule.resources?.length || rule.resourceNames?.length) {
      errors.push(
        invalid(
          child(path, "nonResourceURLs"),
          rule.nonResourceURLs,
          "rules cannot apply to both regular resources and non-resource URLs",
        ),
      );
    }
    return errors;
  }
  if (!rule.apiGroups?.length)
    errors.push(required(child(path, "apiGroups"), "resource rules must supply at least one api group"));
  if (!rule.resources?.length)
    errors.push(required(child(path, "resources"), "resource rules must supply at least one resource"));
  return errors;
}

export function checkRole({ rules }: Role): FieldErrors {
  return each("rules", rules, (rule, path) => checkRule(rule, true, path));
}

export function checkClusterRole({ rules, aggregationRule }: ClusterRole): FieldErrors {
  const errors = each("rules", rules, (rule, path) => checkRule(rule, false, path));
  if (!aggregationRule) return errors;
  const path = "aggregationRule.clusterRoleSelectors";
  if (!aggregationRule.clusterRoleSelectors?.length)
    return [...errors, required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")];
  return [
    ...errors,
    ...each(path, aggregationRule.clusterRoleSelectors, (selector, where) => checkSelector(selector, where)),
  ];
}

function checkBinding(
  { roleRef, subjects }: RoleBinding | ClusterRoleBinding,
  kinds: readonly string[],
  namespaced: boolean,
): FieldErrors {
  const errors: FieldErrors = [];
  if (roleRef.apiGroup !== GROUP) errors.push(notSupported("roleRef.apiGroup", roleRef.apiGroup, [GROUP]));
  if (!kinds.includes(roleRef.kind)) errors.push(notSupported("roleRef.kind", roleRef.kind, kinds));
  if (!roleRef.name) errors.push(required("roleRef.name"));
  else errors.push(...invalidEach("roleRef.name", roleRef.name, isPathSegment(roleRef.name)));
  return [...errors, ...each("subjects", subjects, (subject, path) => checkSubject(subject, namespaced, path))];
}

/** ValidateRoleBindingSubject. */
function checkSubject(
  { kind, name, namespace, apiGroup = "" }: Subject,
  namespaced: boolean,
  path: string,
): FieldErrors {
  const errors: FieldErrors = name ? [] : [required(child(path, "name"))];
  switch (kind) {
    case "ServiceAccount":
      if (name) errors.push(...invalidEach(child(path, "name"), name, isDnsSubdomain(name)));
      if (apiGroup !== "") errors.push(notSupported(child(path, "apiGroup"), apiGroup, [""]));
      if (!namespaced && !namespace) errors.push(required(child(path, "namespace")));
      return errors;
    case "User":
    case "Group":
      if (apiGroup !== GROUP) errors.push(notSupported(child(path, "apiGroup"), apiGroup, [GROUP]));
      return errors;
    default:
      return [...errors, notSupported(child(path, "kind"), kind, ["ServiceAccount", "User", "Group"])];
  }
}

export function checkRoleBinding(binding: RoleBinding): FieldErrors {
  return checkBinding(binding, ["Role", "ClusterRole"], true);
}

export function checkClusterRoleBinding(binding: ClusterRoleBinding): FieldErrors {
  return checkBinding(binding, ["ClusterRole"], false);
}

export function checkRoleRefKept(
  binding: RoleBinding | ClusterRoleBinding,
  old: RoleBinding | ClusterRoleBinding,
): FieldErrors {
  return sameTree(binding.roleRef, old.roleRef) ? [] : [invalid("roleRef", binding.roleRef, "cannot change roleRef")];
}
