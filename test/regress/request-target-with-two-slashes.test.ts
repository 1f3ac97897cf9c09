import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { requestUrl } from "#base/request-url.ts";

// `new URL("//sha256:x/", base)` takes what follows the slashes for a host and throws: a request like that ended the handler.
test("a request target with two slashes is a path", () => {
  assert.equal(requestUrl("//sha256:x/%00?last=%ff").pathname, "//sha256:x/%00");
  assert.equal(requestUrl("/v2/?n=1").searchParams.get("n"), "1");
  assert.equal(requestUrl("*").pathname, "/");
});

test("no target makes it throw", () => {
  fc.assert(
    fc.property(
      fc.string(),
      (text) => requestUrl(text).hostname === "localhost" && requestUrl(`/${text}`).hostname === "localhost",
    ),
  );
});
