/** Answers queries: the cluster's own names here, everything else by other servers. */
import * as dns from "dns-packet";
import type { Random } from "#base/random.ts";
import type { DnsForwarder } from "#network/dns-forwarder.ts";
import { encodeAnswer, RCODE, type Answerer, type DnsQuery } from "#network/dns-service.ts";
import { addressOfReverseName } from "#network/name-server.ts";
import type { AnswerCache } from "./answer-cache.ts";
import { resolveInZone, resolveReverse, type ClusterView, type DnsRecord } from "./records.ts";

export interface ClusterAnswersOptions {
  /** "cluster.local" */
  readonly zone: string;
  readonly view: ClusterView;
  readonly forwarder: DnsForwarder;
  readonly upstreams: () => readonly string[];
  readonly cache: AnswerCache;
  readonly random: Random;
}

/** As CoreDNS in a cluster of kubeadm's: `ttl 30`. */
const TTL_SECONDS = 30;
const SRV_WEIGHT = 100;

export function clusterAnswers(options: ClusterAnswersOptions): Answerer {
  const zone = options.zone.toLowerCase();
  return async (query) => {
    const name = query.name.toLowerCase();
    if (name === zone || name.endsWith(`.${zone}`)) return inZone(options, zone, name, query);
    const address = query.type === "PTR" ? addressOfReverseName(name) : undefined;
    const targets = address === undefined ? undefined : resolveReverse(options.view, zone, address);
    if (targets) {
      return encodeAnswer(query, {
        answers: targets.map((data) => ({ type: "PTR", name: query.name, ttl: TTL_SECONDS, data })),
      });
    }
    return elsewhere(options, query);
  };
}

async function elsewhere(
  { cache, forwarder, upstreams }: ClusterAnswersOptions,
  query: DnsQuery,
): Promise<Buffer | undefined> {
  const kept = cache.get(query);
  if (kept) return kept;
  const answer = await forwarder.forward(query, upstreams());
  if (answer) cache.put(query, answer);
  return answer;
}

async function inZone(
  options: ClusterAnswersOptions,
  zone: string,
  name: string,
  query: DnsQuery,
): Promise<Buffer | undefined> {
  const labels = name === zone ? [] : name.slice(0, -zone.length - 1).split(".");
  const found = resolveInZone(options.view, zone, labels, query.type);
  const authorities = [authority(zone)];
  if (found.kind === "none") return encodeAnswer(query, { rcode: RCODE.NXDOMAIN, authorities });
  const [first] = found.records;
  if (!first) return encodeAnswer(query, { authorities });
  if (first.type === "CNAME")
    return encodeAnswer(query, { answers: [answerOf(first), ...(await follow(options, first.data, query))] });
  const answers = shuffled(found.records, options.random).map(answerOf);
  return encodeAnswer(query, { answers, additionals: targetAddresses(options, zone, found.records) });
}

/** What an external name leads to, so that a resolver need not ask again. */
async function follow(options: ClusterAnswersOptions, target: string, query: DnsQuery): Promise<dns.Answer[]> {
  if (query.type !== "A" && query.type !== "AAAA") return [];
  const raw = dns.encode({
    type: "query",
    id: query.packet.id ?? 0,
    flags: dns.RECURSION_DESIRED,
    questions: [{ type: query.type, name: target }],
  });
  const inner: DnsQuery = { ...query, name: target, raw, packet: dns.decode(raw) };
  const zone = options.zone.toLowerCase();
  // One step only, so that names that lead to each other end.
  if (target.toLowerCase().endsWith(`.${zone}`)) {
    const found = resolveInZone(
      options.view,
      zone,
      target
        .toLowerCase()
        .slice(0, -zone.length - 1)
        .split("."),
      query.type,
    );
    return found.kind === "none" ? [] : found.records.filter(({ type }) => type !== "CNAME").map(answerOf);
  }
  const answer = await elsewhere(options, inner);
  return answer ? (dns.decode(answer).answers ?? []) : [];
}

function answerOf(record: DnsRecord): dns.Answer {
  const { name } = record;
  if (record.type === "SRV") {
    return {
      type: "SRV",
      name,
      ttl: TTL_SECONDS,
      data: { priority: 0, weight: SRV_WEIGHT, port: record.port, target: record.target },
    };
  }
  if (record.type === "TXT") return { type: "TXT", name, ttl: TTL_SECONDS, data: [record.data] };
  return { type: record.type, name, ttl: TTL_SECONDS, data: record.data };
}

/** The addresses of the targets of SRV records. */
function targetAddresses({ view }: ClusterAnswersOptions, zone: string, found: readonly DnsRecord[]): dns.Answer[] {
  const targets = new Set(found.flatMap((record) => (record.type === "SRV" ? [record.target] : [])));
  return Array.from(targets).flatMap((target) =>
    ["A", "AAAA"].flatMap((type) => {
      const resolved = resolveInZone(view, zone, target.slice(0, -zone.length - 1).split("."), type);
      return resolved.kind === "none" ? [] : resolved.records.map(answerOf);
    }),
  );
}

/** As CoreDNS makes it: negative answers live as long as the others. */
function authority(zone: string): dns.Answer {
  const data = {
    mname: `ns.dns.${zone}`,
    rname: `hostmaster.${zone}`,
    serial: 1,
    refresh: 7200,
    retry: 1800,
    expire: 86_400,
    minimum: TTL_SECONDS,
  };
  return { type: "SOA", name: zone, ttl: TTL_SECONDS, data };
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
