import assert from "node:assert/strict";
import { test } from "node:test";
import { parseProcess } from "./processes.ts";
import { parsePsArgs } from "./ps-args.ts";

const context = { bootMs: 1_000_000, memoryBytes: 4096 * 1000, users: new Map([[0, "root"]]), groups: new Map() };
const line =
  "42 (my (odd) name) S 1 42 42 34816 42 4194560 100 0 0 0 150 50 0 0 20 0 3 0 500 8192000 10 18446744073709551615";
const shell = parseProcess(42, line, "sh\0-c\0sleep 1\0", { uid: 0, gid: 7 }, context, 1_000_000 + 5000 + 100_000);
const row = (args: string): string[] => parsePsArgs(args).map(({ value }) => value(shell));
const titles = (args: string): string[] => parsePsArgs(args).map(({ title }) => title);

test("a stat line with an odd name is read", () => {
  assert.equal(shell.comm, "my (odd) name");
  assert.equal(shell.ppid, 1);
  assert.equal(shell.cpuSeconds, 2);
  assert.equal(shell.args, "sh -c sleep 1");
});

test("the default, aux and lists of columns", () => {
  assert.deepEqual(titles(""), ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
  assert.deepEqual(titles("aux"), [
    "USER",
    "PID",
    "%CPU",
    "%MEM",
    "VSZ",
    "RSS",
    "TTY",
    "STAT",
    "START",
    "TIME",
    "COMMAND",
  ]);
  assert.deepEqual(titles("-o pid,comm=NAME -o etime"), ["PID", "NAME", "ELAPSED"]);
  assert.deepEqual(row("-eo pid,user,group,time,tty,stat,pmem"), [
    "42",
    "root",
    "7",
    "00:00:02",
    "pts/0",
    "Ssl+",
    "1.0",
  ]);
});

test("what is not supported is refused by name; a list needs the pid", () => {
  assert.throws(() => parsePsArgs("--forest"), {
    code: "unsupported",
    message: 'ps argument "--forest" is not supported',
  });
  assert.throws(() => parsePsArgs("-o pid,wchan"), {
    code: "unsupported",
    message: 'ps column "wchan" is not supported',
  });
  assert.throws(() => parsePsArgs("-o pid,nope"), {
    message: 'ps: error: unknown user-defined format specifier "nope"',
  });
  assert.throws(() => parsePsArgs("-o comm"), { message: "Couldn't find PID field in ps output" });
});
