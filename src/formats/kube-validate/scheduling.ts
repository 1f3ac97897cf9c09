import { isDnsLabel, isLabelValue, isQualifiedName } from "../kube-names.ts";
import type {
  Affinity,
  NodeSelectorTerm,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
  WeightedPodAffinityTerm,
} from "../kube-types.generated.ts";
import {
  at,
  child,
  duplicate,
  each,
  forbidden,
  invalid,
  invalidEach,
  notSupported,
  oneOf,
  optionalOneOf,
  required,
  type FieldErrors,
} from "./errors.ts";
import { checkSelector } from "./meta.ts";

const TAINT_EFFECTS = ["NoExecute", "NoSchedule", "PreferNoSchedule"];

/** ValidateTolerations. */
export function checkTolerations(tolerations: readonly Toleration[] | undefined, path: string): FieldErrors {
  return each(path, tolerations, ({ key, operator, value, effect, tolerationSeconds }, where) => {
    const errors = key ? invalidEach(child(where, "key"), key, isQualifiedName(key)) : [];
    if (!key && operator !== "Exists") {
      errors.push(
        invalid(
          child(where, "operator"),
          operator ?? "",
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      );
    }
    if (tolerationSeconds !== undefined && effect !== "NoExecute") {
      errors.push(
        invalid(child(where, "effect"), effect ?? "", "effect must be 'NoExecute' when `tolerationSeconds` is set"),
      );
    }
    if (operator === undefined || operator === "Equal")
      errors.push(...invalidEach(child(where, "operator"), value ?? "", isLabelValue(value ?? "")));
    else if (operator === "Exists") {
      if (value)
        errors.push(
          invalid(
            child(where, "operator"),
            { key, operator, value },
            "value must be empty when `operator` is 'Exists'",
          ),
        );
    } else errors.push(notSupported(child(where, "operator"), operator, ["Equal", "Exists"]));
    errors.push(...optionalOneOf(child(where, "effect"), effect, TAINT_EFFECTS));
    return errors;
  });
}

export function checkAffinity(affinity: Affinity | undefined, path: string): FieldErrors {
  if (!affinity) return [];
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity;
  const errors: FieldErrors = [];
  const node = child(path, "nodeAffinity");
  const hard = nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (hard)
    errors.push(
      ...checkNodeSelector(hard.nodeSelectorTerms, child(node, "requiredDuringSchedulingIgnoredDuringExecution")),
    );
  errors.push(
    ...each(
      child(node, "preferredDuringSchedulingIgnoredDuringExecution"),
      nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution,
      ({ weight, preference }, where) => [
        ...checkWeight(weight, child(where, "weight")),
        ...checkNodeTerm(preference, child(where, "preference")),
      ],
    ),
  );
  for (const [name, terms] of Object.entries({ podAffinity, podAntiAffinity })) {
    const where = child(path, name);
    errors.push(
      ...each(
        child(where, "requiredDuringSchedulingIgnoredDuringExecution"),
        terms?.requiredDuringSchedulingIgnoredDuringExecution,
        checkPodTerm,
      ),
    );
    errors.push(
      ...each(
        child(where, "preferredDuringSchedulingIgnoredDuringExecution"),
        terms?.preferredDuringSchedulingIgnoredDuringExecution,
        checkWeighted,
      ),
    );
  }
  return errors;
}

function checkWeight(weight: number, path: string): FieldErrors {
  return weight < 1 || weight > 100 ? [invalid(path, weight, "must be in the range 1-100")] : [];
}

function checkWeighted({ weight, podAffinityTerm }: WeightedPodAffinityTerm, path: string): FieldErrors {
  return [
    ...checkWeight(weight, child(path, "weight")),
    ...checkPodTerm(podAffinityTerm, child(path, "podAffinityTerm")),
  ];
}

function checkPodTerm(term: PodAffinityTerm, path: string): FieldErrors {
  const { topologyKey } = term;
  const errors = [
    ...checkSelector(term.labelSelector, child(path, "labelSelector")),
    ...checkSelector(term.namespaceSelector, child(path, "namespaceSelector")),
  ];
  for (const [index, namespace] of (term.namespaces ?? []).entries()) {
    errors.push(...invalidEach(at(child(path, "namespaces"), index), namespace, isDnsLabel(namespace)));
  }
  if (!topologyKey) return [...errors, required(child(path, "topologyKey"), "can not be empty")];
  return [...errors, ...invalidEach(child(path, "topologyKey"), topologyKey, isQualifiedName(topologyKey))];
}

/** ValidateNodeSelector. */
export function checkNodeSelector(terms: readonly NodeSelectorTerm[] | undefined, path: string): FieldErrors {
  const where = child(path, "nodeSelectorTerms");
  return terms?.length
    ? each(where, terms, checkNodeTerm)
    : [required(where, "must have at least one node selector term")];
}

function checkNodeTerm(term: NodeSelectorTerm, path: string): FieldErrors {
  return [
    ...each(child(path, "matchExpressions"), term.matchExpressions, ({ key, operator, values }, where) => {
      const errors = checkOperator(operator, values ?? [], where);
      return [...errors, ...invalidEach(child(where, "key"), key, isQualifiedName(key))];
    }),
    ...each(child(path, "matchFields"), term.matchFields, ({ key, operator, values }, where) => {
      const errors: FieldErrors = [];
      if (operator !== "In" && operator !== "NotIn")
        errors.push(invalid(child(where, "operator"), operator, "not a valid selector operator"));
      else if (values?.length !== 1)
        errors.push(
          required(
            child(where, "values"),
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
          ),
        );
      if (key !== "metadata.name") errors.push(invalid(child(where, "key"), key, "not a valid field selector key"));
      return errors;
    }),
  ];
}

function checkOperator(operator: string, values: readonly string[], path: string): FieldErrors {
  const where = child(path, "values");
  switch (operator) {
    case "In":
    case "NotIn":
      return values.length === 0 ? [required(where, "must be specified when `operator` is 'In' or 'NotIn'")] : [];
    case "Exists":
    case "DoesNotExist":
      return values.length > 0
        ? [forbidden(where, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")]
        : [];
    case "Gt":
    case "Lt":
      return values.length === 1
        ? []
        : [required(where, "must be specified single value when `operator` is 'Lt' or 'Gt'")];
    default:
      return [invalid(child(path, "operator"), operator, "not a valid selector operator")];
  }
}

/** validateTopologySpreadConstraints. */
export function checkSpread(constraints: readonly TopologySpreadConstraint[] | undefined, path: string): FieldErrors {
  const pairs = new Set<string>();
  return each(path, constraints, (constraint, where) => {
    const { maxSkew, topologyKey, whenUnsatisfiable, minDomains } = constraint;
    const errors: FieldErrors = [];
    if (!(maxSkew > 0)) errors.push(invalid(child(where, "maxSkew"), maxSkew, "must be greater than zero"));
    if (!topologyKey) errors.push(required(child(where, "topologyKey"), "can not be empty"));
    else errors.push(...invalidEach(child(where, "topologyKey"), topologyKey, isQualifiedName(topologyKey)));
    errors.push(...oneOf(child(where, "whenUnsatisfiable"), whenUnsatisfiable, ["DoNotSchedule", "ScheduleAnyway"]));
    const pair = `{${topologyKey}, ${whenUnsatisfiable}}`;
    if (pairs.has(pair)) errors.push(duplicate(child(where, "{topologyKey, whenUnsatisfiable}"), pair));
    pairs.add(pair);
    if (minDomains !== undefined && minDomains <= 0)
      errors.push(invalid(child(where, "minDomains"), minDomains, "must be greater than zero"));
    if (minDomains !== undefined && whenUnsatisfiable !== "DoNotSchedule") {
      errors.push(
        invalid(
          child(where, "minDomains"),
          minDomains,
          `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`,
        ),
      );
    }
    errors.push(
      ...optionalOneOf(child(where, "nodeAffinityPolicy"), constraint.nodeAffinityPolicy, ["Honor", "Ignore"]),
    );
    errors.push(...optionalOneOf(child(where, "nodeTaintsPolicy"), constraint.nodeTaintsPolicy, ["Honor", "Ignore"]));
    return [...errors, ...checkSelector(constraint.labelSelector, child(where, "labelSelector"))];
  });
}

/** A node's taints. */
export function checkTaints(
  taints: readonly { key: string; value?: string; effect: string }[] | undefined,
  path: string,
): FieldErrors {
  const seen = new Set<string>();
  return each(path, taints, ({ key, value, effect }, where) => {
    const errors = invalidEach(child(where, "key"), key, isQualifiedName(key));
    errors.push(...invalidEach(child(where, "value"), value ?? "", isLabelValue(value ?? "")));
    errors.push(...oneOf(child(where, "effect"), effect, ["NoSchedule", "PreferNoSchedule", "NoExecute"]));
    const pair = `${key}/${effect}`;
    if (seen.has(pair)) errors.push(duplicate(where, { key, value, effect }));
    seen.add(pair);
    return errors;
  });
}
