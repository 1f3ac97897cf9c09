// Dockerfiles, patterns and filters of any text: a result, or an error of ours; never a hang or a foreign exception.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { GantryError } from "#base/errors.ts";
import { parseDetachKeys } from "../../src/docker-api/http/detach-keys.ts";
import { createRequest } from "#formats/docker-config.ts";
import { parseFilters } from "#formats/docker-filters.ts";
import { parseBind } from "#formats/docker-mounts.ts";
import { parseContainerPorts } from "#formats/docker-ports.ts";
import { parseDockerfile } from "#formats/dockerfile.ts";
import { expandWord } from "#formats/dockerfile-expand.ts";
import { parseDockerignore } from "#formats/dockerignore.ts";
import { compileGlob } from "#formats/glob.ts";

/** Runs it; only our own errors may come. */
function tame(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof GantryError, String(error));
  }
}

const words = fc.constantFrom(
  "FROM",
  "RUN",
  "COPY",
  "ENV",
  "ARG",
  "HEALTHCHECK",
  "ONBUILD",
  "SHELL",
  "--from=x",
  "--mount=type=bind",
  "<<EOF",
  "EOF",
  "[",
  '["a"',
  "]",
  "$X",
  "${X:-y}",
  "\\",
  "\n",
  "#",
  "# escape=`",
  "=",
  '"',
  "'",
  "a",
  "AS",
);

test("Dockerfiles", () => {
  fc.assert(
    fc.property(fc.array(words, { maxLength: 30 }), (parts) => tame(() => parseDockerfile(parts.join(" ")))),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => tame(() => parseDockerfile(text))),
    { numRuns: 500 },
  );
});

test("variables", () => {
  const unit = fc.constantFrom("$", "{", "}", "X", ":", "-", "+", "?", "#", "%", "/", "*", "'", '"', "\\", "a", ".");
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 30 }), (text) =>
      tame(() => expandWord(text, (name) => (name === "X" ? "a.b/a.b" : undefined))),
    ),
    { numRuns: 3000 },
  );
});

test("a glob without wildcards matches itself and nothing else", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), fc.string({ maxLength: 20 }), (text, other) => {
      const literal = text.replace(/[*?[\\]/g, "\\$&");
      assert.equal(compileGlob(literal)(text), true);
      if (other !== text) assert.equal(compileGlob(literal)(other), false);
    }),
  );
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), fc.string({ maxLength: 40 }), (pattern, path) =>
      tame(() => parseDockerignore(pattern)(path)),
    ),
  );
});

test("requests' parts", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), (text) => {
      tame(() => parseBind(text, ""));
      tame(() => parseContainerPorts(text));
      tame(() => parseFilters(text, ["a"]));
      tame(() => parseDetachKeys(text));
    }),
  );
  fc.assert(fc.property(fc.jsonValue(), (value) => tame(() => createRequest(value, ""))));
  fc.assert(
    fc.property(
      fc.record({
        HostConfig: fc.dictionary(fc.string(), fc.jsonValue()),
        Labels: fc.dictionary(fc.string(), fc.string()),
      }),
      (value) => tame(() => createRequest(value, "")),
    ),
  );
});
