import assert from "node:assert/strict";
import { test } from "node:test";
import { createRouter } from "./router.ts";
import { route } from "./call.ts";

const noop = async (): Promise<void> => {};
const router = createRouter([
  route("GET", "/containers/json", noop),
  route("GET", "/containers/{name}/json", noop),
  route("GET", "/images/{name...}/json", noop),
  route("DELETE", "/images/{name...}", noop),
]);

test("finds a route with and without the version prefix", () => {
  assert.equal(router("GET", "/containers/json").versionPrefix, undefined);
  assert.equal(router("GET", "/v1.43/containers/json").versionPrefix, "1.43");
  assert.deepEqual({ ...router("GET", "/v1.43/containers/web/json").params }, { name: "web" });
});

test("an image name may hold slashes and escapes", () => {
  assert.equal(router("GET", "/images/localhost:5000/a/b:1/json").params["name"], "localhost:5000/a/b:1");
  assert.equal(router("DELETE", "/v1.51/images/a%2Fb").params["name"], "a/b");
});

test("an unknown path is not found in Docker's words", () => {
  assert.throws(() => router("GET", "/nothing"), { code: "not-found", message: "page not found" });
  assert.throws(() => router("POST", "/containers/json"), { code: "not-found" });
  assert.throws(() => router("GET", "/containers/%zz/json"), { code: "invalid" });
});
