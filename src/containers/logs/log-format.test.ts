import assert from "node:assert/strict";
import { test } from "node:test";
import { logFormatter, timeText, type LogSelection } from "./log-format.ts";

const selection = (changes: Partial<LogSelection> = {}): LogSelection => ({
  stdout: true,
  stderr: true,
  timestamps: false,
  details: false,
  framing: "raw",
  ...changes,
});

const line = (log: string, stream = "stdout", time = "2026-01-02T03:04:05.000000006Z"): string =>
  `{"log":${JSON.stringify(log)},"stream":"${stream}","time":"${time}"}\n`;

function format(text: string, changes: Partial<LogSelection> = {}, pieceBytes = 1 << 20): string {
  const formatter = logFormatter(selection(changes));
  const bytes = Buffer.from(text);
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) out.push(formatter.push(bytes.subarray(at, at + pieceBytes)));
  return Buffer.concat(out).toString("latin1");
}

const utf8 = (text: string): string => Buffer.from(text).toString("latin1");

test("text comes out as it was written, whatever it holds, however the pieces fall", () => {
  const texts = [
    "plain\n",
    'quotes "and" \\ back\\slashes\\n\n',
    "tab\tcr\r\b\f\u0001\u001b[31m\n",
    "unicode ünï 漢字 😀\u2028\n",
    "no newline",
    "",
    '","stream":"stderr","time":"2026-01-01T00:00:00.000000000Z"}\n',
    `${"x".repeat(16_384)}`,
  ];
  const file = texts.map((text) => line(text)).join("");
  for (const pieceBytes of [1, 7, 60, 61, 4096, 1 << 20])
    assert.equal(format(file, {}, pieceBytes), utf8(texts.join("")), `pieces of ${pieceBytes}`);
});

test("escaped surrogate pairs and Go's HTML escapes are undone", () => {
  const file =
    String.raw`{"log":"\ud83d\ude00 \u003cb\u003e \/\n","stream":"stdout","time":"2026-01-02T03:04:05.000000006Z"}` +
    "\n";
  assert.equal(format(file), utf8("😀 <b> /\n"));
});

test("multiplexed framing carries stream and length", () => {
  const file = line("out\n") + line("err!\n", "stderr");
  assert.equal(format(file, { framing: "multiplexed" }), "\x01\0\0\0\0\0\0\x04out\n\x02\0\0\0\0\0\0\x05err!\n");
  assert.equal(format(file, { stdout: false }), "err!\n");
  assert.equal(format(file, { stderr: false }), "out\n");
});

test("timestamps have nine digits, and are inside the frame", () => {
  const file = line("a\n", "stdout", "2026-01-02T03:04:05.1Z") + line("b\n");
  assert.equal(
    format(file, { timestamps: true }),
    "2026-01-02T03:04:05.100000000Z a\n2026-01-02T03:04:05.000000006Z b\n",
  );
  assert.equal(format(line("a\n"), { timestamps: true, framing: "multiplexed" }).charCodeAt(7), 33);
  assert.equal(format(line("a\n"), { details: true }), " a\n");
});

test("since and until are inclusive, and until ends the reading", () => {
  const file = [1, 2, 3, 4].map((n) => line(`${n}\n`, "stdout", `2026-01-01T00:00:0${n}.000000000Z`)).join("");
  const at = (second: number): number => Date.UTC(2026, 0, 1, 0, 0, second);
  assert.equal(format(file, { since: at(2) }), "2\n3\n4\n");
  assert.equal(format(file, { since: at(2) + 0.001 }), "3\n4\n");
  assert.equal(format(file, { since: at(2), until: at(3) }), "2\n3\n");
  const formatter = logFormatter(selection({ until: at(1) }));
  formatter.push(Buffer.from(file));
  assert.equal(formatter.finished, true);
});

test("damage is skipped, attributes are allowed, an unfinished line waits", () => {
  const file = `garbage\n{"log":"torn\n${line("good\n")}null\n{"log":"with\\n","attrs":{"a":"b"},"stream":"stderr","time":"2026-01-02T03:04:05.000000006Z"}\n{"log":"not ye`;
  assert.equal(format(file), "good\nwith\n");
  assert.equal(format(`${"y".repeat(2 << 20)}\n${line("after\n")}`, {}, 65_536), "after\n");
});

test("times as text", () => {
  assert.equal(timeText(Date.UTC(2026, 0, 1) + 0.5), "2026-01-01T00:00:00.000500000Z");
});
