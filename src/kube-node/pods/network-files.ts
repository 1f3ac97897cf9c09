import type { Pod } from "#formats/kube-types.generated.ts";

export interface ResolvConf {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

/** Pure: reads a resolv.conf (resolv.conf(5)). */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = [];
  let searches: string[] = [];
  let options: string[] = [];
  for (const line of text.split("\n")) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, "")
      .trim()
      .split(/\s+/);
    if (keyword === "nameserver" && values[0]) nameservers.push(values[0]);
    else if (keyword === "search" || keyword === "domain") searches = values;
    else if (keyword === "options") options = [...options, ...values];
  }
  return { nameservers, searches, options };
}

/** Pure: a pod's resolv.conf by its DNS policy (Kubernetes documentation, "DNS for Services and Pods"). */
export function podResolvConf(pod: Pod, cluster: { dns: string; domain: string }, host: ResolvConf): ResolvConf {
  const policy = pod.spec?.dnsPolicy ?? "ClusterFirst";
  const usesCluster = policy === "ClusterFirstWithHostNet" || (policy === "ClusterFirst" && !pod.spec?.hostNetwork);
  const base: ResolvConf =
    policy === "None"
      ? { nameservers: [], searches: [], options: [] }
      : usesCluster
        ? {
            nameservers: [cluster.dns],
            searches: [
              `${pod.metadata.namespace}.svc.${cluster.domain}`,
              `svc.${cluster.domain}`,
              cluster.domain,
              ...host.searches,
            ],
            options: ["ndots:5"],
          }
        : host;
  const own = pod.spec?.dnsConfig;
  const options = new Map(base.options.map((option) => [option.split(":")[0] ?? option, option]));
  for (const { name, value } of own?.options ?? [])
    if (name) options.set(name, value === undefined ? name : `${name}:${value}`);
  return {
    nameservers: Array.from(new Set([...base.nameservers, ...(own?.nameservers ?? [])])),
    searches: Array.from(new Set([...base.searches, ...(own?.searches ?? [])])),
    options: Array.from(options.values()),
  };
}

export function formatResolvConf({ nameservers, searches, options }: ResolvConf): string {
  const lines = nameservers.map((address) => `nameserver ${address}`);
  if (searches.length > 0) lines.unshift(`search ${searches.join(" ")}`);
  if (options.length > 0) lines.push(`options ${options.join(" ")}`);
  return `${lines.join("\n")}\n`;
}

/** Pure: the pod's /etc/hosts. */
export function podHosts(pod: Pod, podIps: readonly string[], domain: string): string {
  const lines = [
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
  ];
  const { hostname, fqdn } = podHostname(pod, domain);
  for (const ip of podIps) lines.push(fqdn === undefined ? `${ip}\t${hostname}` : `${ip}\t${fqdn}\t${hostname}`);
  const aliases = pod.spec?.hostAliases ?? [];
  if (aliases.length > 0) lines.push("", "# Entries added by HostAliases.");
  for (const { ip, hostnames } of aliases) lines.push(`${ip}\t${(hostnames ?? []).join("\t")}`);
  return `${lines.join("\n")}\n`;
}

/** Pure: the name that the pod calls itself, and its full name when it has a subdomain. A name is cut to 63 characters. */
export function podHostname(pod: Pod, domain: string): { hostname: string; fqdn: string | undefined } {
  const short = (pod.spec?.hostname ?? pod.metadata.name ?? "").slice(0, 63).replace(/[-.]+$/, "");
  const fqdn = pod.spec?.subdomain
    ? `${short}.${pod.spec.subdomain}.${pod.metadata.namespace}.svc.${domain}`
    : undefined;
  if (pod.spec?.hostnameOverride) return { hostname: pod.spec.hostnameOverride, fqdn };
  return { hostname: pod.spec?.setHostnameAsFQDN && fqdn ? fqdn : short, fqdn };
}
