/** Answers that were given before, for as long as nothing has changed in the cluster: most queries are the same few, asked again and again. */
import type { Answerer, QuickAnswerer } from "#network/dns-service.ts";

/** All are forgotten when there is one more, and with every change of a service, its endpoints or a namespace. */
const MOST_ANSWERS = 4_096;

export interface QuickAnswers {
  /** Answers like `answer`, and remembers what it said. */
  readonly answer: Answerer;
  /** What was said to the very same query, with this one's number. */
  readonly quick: QuickAnswerer;
  /** Something changed: nothing that was said holds any more. */
  forget(): void;
}

/** `isOwn`: the name is of the cluster's zone. What has several records is answered anew each time, in another order. */
export function quickAnswers(answer: Answerer, isOwn: (name: string) => boolean): QuickAnswers {
  const answers = new Map<string, Buffer>();
  /** Without its number; the case of letters is the asker's, who compares it. */
  const keyOf = (raw: Buffer, transport: string): string => transport + raw.toString("latin1", 2);
  return {
    quick(raw, transport) {
      const found = answers.get(keyOf(raw, transport));
      if (!found) return undefined;
      const reply = Buffer.from(found);
      reply[0] = raw[0] ?? 0;
      reply[1] = raw[1] ?? 0;
      return reply;
    },
    async answer(query) {
      const reply = await answer(query);
      if (!reply || !isOwn(query.name.toLowerCase()) || recordCount(reply) > 1) return reply;
      if (answers.size >= MOST_ANSWERS) answers.clear();
      answers.set(keyOf(query.raw, query.transport), reply);
      return reply;
    },
    forget: () => answers.clear(),
  };
}

/** RFC 1035, section 4.1.1: ANCOUNT. */
function recordCount(reply: Buffer): number {
  return reply.length < 8 ? 0 : reply.readUInt16BE(6);
}
