import assert from "node:assert/strict";
import { test } from "node:test";
import { parseGitUrl } from "./git-url.ts";

test("what is a repository, and what is not", () => {
  const cases: [string, string | undefined][] = [
    ["https://host/team/app.git", "https://host/team/app.git||"],
    ["https://host/team/app.git#v1", "https://host/team/app.git|v1|"],
    ["https://host/team/app.git#v1:sub/dir", "https://host/team/app.git|v1|sub/dir"],
    ["https://host/app.git#:sub", "https://host/app.git||sub"],
    ["git://host/app", "git://host/app||"],
    ["git@host:team/app.git#main", "git@host:team/app.git|main|"],
    ["ssh://git@host/app", "ssh://git@host/app||"],
    ["github.com/team/app", "https://github.com/team/app||"],
    ["https://host/context.tar.gz", undefined],
    ["https://host/app.github.io", undefined],
    ["./dir.git", undefined],
  ];
  for (const [url, wanted] of cases) {
    const found = parseGitUrl(url);
    assert.equal(found && `${found.remote}|${found.ref}|${found.directory}`, wanted, url);
  }
});

test("a reference that git would take for an option is refused", () => {
  assert.throws(() => parseGitUrl("https://host/app.git#--upload-pack=x"), /invalid git reference/);
});
