import assert from "node:assert/strict";
import { test } from "node:test";
import { responseError, statusError } from "./status-error.ts";

test("a Status decides by its reason, then by its code", () => {
  assert.equal(
    statusError({ metadata: {}, reason: "AlreadyExists", code: 409, message: 'pods "a" already exists' }).code,
    "already-exists",
  );
  assert.equal(statusError({ metadata: {}, reason: "Expired", code: 410 }).code, "gone");
  assert.equal(statusError({ metadata: {}, code: 409 }).code, "conflict");
  assert.equal(statusError({ metadata: {}, code: 500, message: "oops" }).code, "internal");
});

test("an answer that is no Status still gives an error that says what came", () => {
  const error = responseError(502, "<html>Bad gateway</html>\n");
  assert.equal(error.code, "internal");
  assert.equal(error.message, "the API answered 502: <html>Bad gateway</html>");
  const status = responseError(404, '{"kind":"Status","reason":"NotFound","message":"no","code":404}');
  assert.equal(status.code, "not-found");
  assert.equal((status.details["status"] as { reason?: string }).reason, "NotFound");
});
