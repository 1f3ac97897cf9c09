// Who one is and what one may, as kubectl tells it; joining nodes' tokens.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startApiServer } from "#test/api-server.ts";

describe("kubectl auth", () => {
  it("lists what a user may do", async (t) => {
    const { kubectl } = await startApiServer(t);
    await kubectl(["create", "role", "reader", "--verb=get,list", "--resource=pods,deployments.apps", "-n", "default"]);
    await kubectl(["create", "rolebinding", "reader", "--role=reader", "--user=jane", "-n", "default"]);
    const list = await kubectl(["auth", "can-i", "--list", "--as", "jane", "-n", "default"]);
    assert.match(list, /^pods +\[\] +\[\] +\[get list\]$/m);
    assert.match(list, /^deployments\.apps +\[\] +\[\] +\[get list\]$/m);
    assert.match(list, /selfsubjectaccessreviews\.authorization\.k8s\.io +\[\] +\[\] +\[create\]/);
    assert.match(list, /\[\/healthz\] +\[\] +\[get\]/);
    const elsewhere = await kubectl(["auth", "can-i", "--list", "--as", "jane", "-n", "kube-system"]);
    assert.doesNotMatch(elsewhere, /^pods /m);
    const all = await kubectl(["auth", "can-i", "--list"]);
    assert.match(all, /^\*\.\* +\[\] +\[\] +\[\*\]$/m);
  });

  it("tells who one is, by certificate, impersonation and bootstrap token", async (t) => {
    const { kubectl, url } = await startApiServer(t);
    const who = ["auth", "whoami", "-o", "json"];
    const userOf = (text: string) =>
      (JSON.parse(text) as { status: { userInfo: { username: string; groups: string[] } } }).status.userInfo;
    assert.equal(userOf(await kubectl(who)).username, "admin");
    const jane = userOf(await kubectl([...who, "--as", "jane", "--as-group", "team"]));
    assert.deepEqual([jane.username, jane.groups.includes("team")], ["jane", true]);
    const literals = {
      "token-id": "abcdef",
      "token-secret": "0123456789abcdef",
      "usage-bootstrap-authentication": "true",
      "auth-extra-groups": "system:bootstrappers:worker",
    };
    const from = Object.entries(literals).map(([name, value]) => `--from-literal=${name}=${value}`);
    const type = "--type=bootstrap.kubernetes.io/token";
    await kubectl(["create", "secret", "generic", "bootstrap-token-abcdef", "-n", "kube-system", type, ...from]);
    const bare = ["--kubeconfig=/dev/null", `--server=${url}`, "--insecure-skip-tls-verify"];
    const joining = userOf(await kubectl([...bare, "--token=abcdef.0123456789abcdef", ...who]));
    assert.equal(joining.username, "system:bootstrap:abcdef");
    assert.ok(joining.groups.includes("system:bootstrappers:worker"));
    const wrong = await kubectl([...bare, "--token=abcdef.0123456789abcdeg", ...who], { fails: true });
    assert.match(wrong, /must be logged in|Unauthorized/);
  });
});
