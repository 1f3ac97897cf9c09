import assert from "node:assert/strict";
import { test } from "node:test";
import * as dns from "dns-packet";
import { encodeAnswer, type DnsQuery } from "#network/dns-service.ts";
import { quickAnswers } from "./quick-answers.ts";

function query(id: number, name: string): DnsQuery {
  const raw = Buffer.from(dns.encode({ type: "query", id, questions: [{ type: "A", name }] }));
  return { name, type: "A", raw, transport: "udp", packet: dns.decode(raw) };
}

test("the same question gets the same answer with its own number, until something changes", async () => {
  let address = "10.96.0.1";
  let asked = 0;
  const { answer, quick, forget } = quickAnswers(
    (question) => {
      asked++;
      const records = question.name.startsWith("many") ? ["10.0.0.1", "10.0.0.2"] : [address];
      const answers = records.map((data) => ({ type: "A" as const, name: question.name, ttl: 30, data }));
      return Promise.resolve(encodeAnswer(question, { answers }));
    },
    (name) => name.endsWith(".cluster.local"),
  );
  const [first, second] = [query(1, "web.cluster.local"), query(2, "web.cluster.local")];
  assert.equal(quick(first.raw, "udp"), undefined);
  await answer(first);
  const reply = quick(second.raw, "udp");
  assert.ok(reply);
  const { id, answers } = dns.decode(reply);
  assert.deepEqual([id, answers?.map((record) => ("data" in record ? record.data : ""))], [2, ["10.96.0.1"]]);
  assert.equal(quick(second.raw, "tcp"), undefined);
  address = "10.96.0.2";
  forget();
  assert.equal(quick(second.raw, "udp"), undefined);
  for (const name of ["many.cluster.local", "example.org"]) {
    await answer(query(3, name));
    assert.equal(quick(query(4, name).raw, "udp"), undefined, `${name} is looked for anew`);
  }
  assert.equal(asked, 3);
});
