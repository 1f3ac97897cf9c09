/** What a request to the kubelet wants to do, in the words of RBAC: verbs on subresources of its own Node. */
export interface NodeAccess {
  readonly verb: string;
  /** Any one of these rights is enough; the finest comes first. */
  readonly subresources: readonly string[];
}

const VERBS: Readonly<Record<string, string>> = {
  POST: "create",
  GET: "get",
  HEAD: "get",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** Paths with a right of their own (kubelet/server/auth.go, KubeletFineGrainedAuthz): the old ones replace `proxy`, the new ones stand beside it. */
const OWN_RIGHT: Readonly<Record<string, string>> = {
  stats: "stats",
  metrics: "metrics",
  logs: "log",
  checkpoint: "checkpoint",
};
const BESIDE_PROXY: Readonly<Record<string, string>> = {
  pods: "pods",
  runningpods: "pods",
  healthz: "healthz",
  configz: "configz",
};

/** Pure: the right that a request needs. Whatever has none of its own needs `nodes/proxy`. */
export function nodeAccess(method: string, path: string): NodeAccess {
  const verb = VERBS[method] ?? method.toLowerCase();
  const first = path.split("/")[1] ?? "";
  if (Object.hasOwn(OWN_RIGHT, first)) return { verb, subresources: [OWN_RIGHT[first] ?? "proxy"] };
  if (Object.hasOwn(BESIDE_PROXY, first)) return { verb, subresources: [BESIDE_PROXY[first] ?? "proxy", "proxy"] };
  return { verb, subresources: ["proxy"] };
}
