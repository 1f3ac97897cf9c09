import assert from "node:assert/strict";
import { test } from "node:test";
import { expandWord } from "./dockerfile-expand.ts";
import type { InstructionBody } from "./dockerfile-instruction.ts";
import { parseDockerfile } from "./dockerfile.ts";

const body = (line: string): InstructionBody => {
  const [stage] = parseDockerfile(`FROM scratch\n${line}\n`).stages;
  const { location: _location, original: _original, ...rest } = stage?.instructions[0] ?? assert.fail("no instruction");
  return rest as InstructionBody;
};
const refused = (text: string, message: string | RegExp): void =>
  assert.throws(() => parseDockerfile(text), { code: "invalid", message });

test("stages, names, meta arguments and platforms", () => {
  const file = parseDockerfile(
    "# syntax=docker/dockerfile:1\nARG V=1 W\nFROM --platform=linux/arm64 busybox:$V AS Build\nRUN true\nFROM scratch\nCOPY --from=build /a /b\n",
  );
  assert.deepEqual(file.metaArgs, [{ name: "V", value: "1" }, { name: "W" }]);
  assert.deepEqual(
    file.stages.map(({ base, name, platform }) => ({ base, name, platform })),
    [
      { base: "busybox:$V", name: "build", platform: "linux/arm64" },
      { base: "scratch", name: undefined, platform: undefined },
    ],
  );
  assert.equal(file.directives["syntax"], "docker/dockerfile:1");
  assert.deepEqual(file.stages[0]?.location, { start: 3, end: 3 });
});

test("continued lines, comments in between, another escape", () => {
  const [stage] = parseDockerfile("FROM scratch\nRUN a \\\n# note\n  b \\\n\n  c\nCMD d\n").stages;
  assert.deepEqual(
    stage?.instructions.map(({ original, location }) => [original, location]),
    [
      ["RUN a   b   c", { start: 2, end: 6 }],
      ["CMD d", { start: 7, end: 7 }],
    ],
  );
  assert.equal(
    parseDockerfile("# escape=`\nFROM scratch\nRUN a `\n b\n").stages[0]?.instructions[0]?.original,
    "RUN a  b",
  );
});

test("here-documents", () => {
  assert.deepEqual(body("RUN <<EOF\necho a\nEOF"), {
    kind: "run",
    mounts: [],
    command: {
      form: "shell",
      text: "<<EOF",
      heredocs: [{ name: "EOF", chomp: false, expand: true, content: "echo a\n", descriptor: 0 }],
    },
  });
  const copy = body('COPY <<-"one" <<two /dir/\n\ta $X\n\tone\nb\ntwo');
  assert.ok(copy.kind === "copy");
  assert.deepEqual(copy.inline, [
    { name: "one", content: "a $X\n", expand: false },
    { name: "two", content: "b\n", expand: true },
  ]);
  refused("FROM scratch\nRUN <<EOF\na\n", "dockerfile parse error on line 2: unterminated heredoc");
});

test("every instruction", () => {
  assert.deepEqual(body('ENV a=1 b="2 3" c=\\ d'), {
    kind: "env",
    pairs: [
      { name: "a", value: "1" },
      { name: "b", value: '"2 3"' },
      { name: "c", value: "\\ d" },
    ],
  });
  assert.deepEqual(body("ENV name the rest"), { kind: "env", pairs: [{ name: "name", value: "the rest" }] });
  assert.deepEqual(body('CMD ["a", "b"]'), { kind: "cmd", command: { form: "exec", args: ["a", "b"] } });
  assert.deepEqual(body("ENTRYPOINT a b"), {
    kind: "entrypoint",
    command: { form: "shell", text: "a b", heredocs: [] },
  });
  assert.deepEqual(body("VOLUME /a /b"), { kind: "volume", paths: ["/a", "/b"] });
  assert.deepEqual(body("EXPOSE 80 53/udp"), { kind: "expose", ports: ["80", "53/udp"] });
  assert.deepEqual(body("HEALTHCHECK --interval=5s --retries=2 CMD curl x"), {
    kind: "healthcheck",
    healthcheck: { Test: ["CMD-SHELL", "curl x"], Interval: 5e9, Retries: 2 },
  });
  assert.deepEqual(body("HEALTHCHECK NONE"), { kind: "healthcheck", healthcheck: { Test: ["NONE"] } });
  assert.deepEqual(body('SHELL ["/bin/bash", "-c"]'), { kind: "shell", shell: ["/bin/bash", "-c"] });
  assert.deepEqual(body("ONBUILD RUN x"), { kind: "onbuild", expression: "RUN x" });
  assert.deepEqual(body("RUN --mount=type=cache,target=/c --network=none make"), {
    kind: "run",
    mounts: ["type=cache,target=/c"],
    network: "none",
    command: { form: "shell", text: "make", heredocs: [] },
  });
  assert.deepEqual(body("COPY --from=x --chown=1:2 --chmod=755 --link a b /c/"), {
    kind: "copy",
    sources: ["a", "b"],
    inline: [],
    target: "/c/",
    options: { from: "x", chown: "1:2", chmod: "755", link: true, parents: false, exclude: [], keepGitDir: false },
  });
});

test("errors carry the line, in BuildKit's words", () => {
  refused("", "file with no instructions");
  refused("ARG a\n", "dockerfile contains no stages to build");
  refused("RUN x\n", "dockerfile parse error on line 1: no build stage in current context");
  refused("FROM scratch\nNOPE x\n", "dockerfile parse error on line 2: unknown instruction: NOPE");
  refused("FROM a b\n", "dockerfile parse error on line 1: FROM requires either one or three arguments");
  refused("FROM a AS 1x\n", /invalid name for build stage: "1x"/);
  refused("FROM scratch\nCOPY a\n", /COPY requires at least two arguments, but only 1 were provided/);
  refused("FROM scratch\nENV a\n", "dockerfile parse error on line 2: ENV must have two arguments");
  refused("FROM scratch\nCOPY --nope=1 a b\n", "dockerfile parse error on line 2: unknown flag: --nope");
  refused("FROM scratch\nONBUILD FROM x\n", /FROM isn't allowed as an ONBUILD trigger/);
  refused("FROM scratch\nSHELL x\n", /SHELL requires the arguments to be in JSON form/);
  refused("FROM scratch\n__proto__ x\n", /unknown instruction: __proto__/);
});

test("variables, with every modifier", () => {
  const values: Record<string, string> = { X: "value", EMPTY: "", FILE: "archive.tar.gz", PATHS: "a/b/c" };
  const expand = (text: string): string => expandWord(text, (name) => values[name]);
  assert.equal(expand("$X-${X}-$NONE-"), "value-value--");
  assert.equal(expand("${NONE:-d}${EMPTY:-e}${EMPTY-f}${NONE-g}"), "deg");
  assert.equal(expand("${X:+set}${EMPTY:+no}${EMPTY+yes}${NONE+no}"), "setyes");
  assert.equal(expand("${NONE:-${X}/y}"), "value/y");
  assert.equal(expand("${FILE#*.}|${FILE##*.}|${FILE%.*}|${FILE%%.*}"), "tar.gz|gz|archive.tar|archive");
  assert.equal(expand("${PATHS/\\//-}|${PATHS//\\//-}"), "a-b/c|a-b-c");
  assert.equal(expand('\'$X\' "$X" \\$X "\\$X" "a\\b"'), "$X value $X $X a\\b");
  assert.equal(expand("a$"), "a$");
  assert.throws(() => expand("${NONE:?gone}"), { message: "NONE: gone" });
  assert.throws(() => expand("${X"), { code: "invalid" });
  assert.throws(() => expand("'open"), { message: /matching single-quote/ });
});
