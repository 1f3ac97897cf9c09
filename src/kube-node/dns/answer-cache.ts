/** Answers of other name servers, kept for a short while. */
import * as dns from "dns-packet";
import type { Clock } from "#base/clock.ts";
import type { DnsQuery } from "#network/dns-service.ts";

export interface AnswerCache {
  /** With the query's own number. */
  get(query: DnsQuery): Buffer | undefined;
  put(query: DnsQuery, answer: Buffer): void;
}

/** As CoreDNS in a cluster of kubeadm's: `cache 30`. */
const MAX_SECONDS = 30;
/** The oldest answer goes when there is one more. */
const MAX_ANSWERS = 4_096;
const MAX_ANSWER_BYTES = 4_096;

export function answerCache(clock: Clock): AnswerCache {
  const answers = new Map<string, { readonly answer: Buffer; readonly until: number }>();
  return {
    get(query) {
      const found = answers.get(keyOf(query));
      if (!found || found.until <= clock.now()) return undefined;
      const answer = Buffer.from(found.answer);
      query.raw.copy(answer, 0, 0, 2);
      return answer;
    },
    put(query, answer) {
      const seconds = lifetimeSeconds(answer);
      if (seconds <= 0 || answer.length > MAX_ANSWER_BYTES) return;
      const key = keyOf(query);
      answers.delete(key);
      answers.set(key, { answer: Buffer.from(answer), until: clock.now() + seconds * 1000 });
      const [oldest] = answers.keys();
      if (answers.size > MAX_ANSWERS && oldest !== undefined) answers.delete(oldest);
    },
  };
}

/** All of the query but its number: flags and EDNS change the answer. */
function keyOf({ raw, transport }: DnsQuery): string {
  return `${transport} ${raw.toString("latin1", 2).toLowerCase()}`;
}

/** The shortest lifetime in an answer; 0 for what must not be kept: failures, and answers that were cut. */
function lifetimeSeconds(raw: Buffer): number {
  let packet: dns.DecodedPacket;
  try {
    packet = dns.decode(raw);
  } catch {
    // Passed on as it is, but not kept.
    return 0;
  }
  const rcode = (packet.flags ?? 0) & 0xf;
  if ((rcode !== 0 && rcode !== 3) || packet.flag_tc) return 0;
  const lifetimes = [...(packet.answers ?? []), ...(packet.authorities ?? [])].flatMap((record) =>
    "ttl" in record && record.ttl !== undefined ? [record.ttl] : [],
  );
  return lifetimes.length === 0 ? 0 : Math.min(MAX_SECONDS, ...lifetimes);
}
