import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { mergeKubeconfigs, parseKubeconfig, putContext, removeContext } from "./kubeconfig.ts";

const GANTRY = {
  name: "gantry",
  cluster: { server: "https://127.0.0.1:6443", certificateAuthorityData: "Q0E=" },
  user: { clientCertificateData: "Y2VydA==", clientKeyData: "a2V5" },
};

test("a context put into nothing makes a kubeconfig of its own", () => {
  const config = parseKubeconfig(putContext(undefined, GANTRY));
  assert.equal(config.currentContext, "gantry");
  assert.deepEqual(config.contexts.get("gantry"), { cluster: "gantry", user: "gantry", namespace: undefined });
  assert.equal(config.clusters.get("gantry")?.server, "https://127.0.0.1:6443");
  assert.equal(config.users.get("gantry")?.clientKeyData, "a2V5");
});

test("a context put into another's kubeconfig leaves the rest, comments too, as it was", () => {
  const theirs = `# mine\napiVersion: v1\nkind: Config\ncurrent-context: work # do not touch\nclusters:\n- name: work\n  cluster: {server: "https://work"}\ncontexts:\n- name: work\n  context: {cluster: work, user: me}\nusers:\n- name: me\n  user: {token: t}\n`;
  const once = putContext(theirs, GANTRY);
  assert.match(once, /^# mine\n/);
  assert.match(once, /current-context: work # do not touch/);
  const config = parseKubeconfig(once);
  assert.deepEqual(Array.from(config.contexts.keys()), ["work", "gantry"]);
  assert.equal(config.users.get("me")?.token, "t");
  const twice = putContext(once, { ...GANTRY, cluster: { server: "https://127.0.0.1:7443" }, current: true });
  assert.equal(parseKubeconfig(twice).clusters.size, 2, "replaced, not added");
  assert.equal(parseKubeconfig(twice).clusters.get("gantry")?.server, "https://127.0.0.1:7443");
  assert.equal(parseKubeconfig(twice).currentContext, "gantry");
  const without = parseKubeconfig(removeContext(once, "gantry"));
  assert.deepEqual(
    [...without.contexts.keys(), ...without.clusters.keys(), ...without.users.keys()],
    ["work", "work", "me"],
  );
});

test("what is written is what kubectl reads", () => {
  const text = putContext(undefined, { ...GANTRY, namespace: "shop", user: { tokenFile: "/run/token" } });
  assert.deepEqual(parse(text), {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "gantry", cluster: { server: "https://127.0.0.1:6443", "certificate-authority-data": "Q0E=" } }],
    users: [{ name: "gantry", user: { tokenFile: "/run/token" } }],
    contexts: [{ name: "gantry", context: { cluster: "gantry", user: "gantry", namespace: "shop" } }],
    "current-context": "gantry",
  });
});

test("of several files the first entry of a name holds", () => {
  const of = (server: string, current: string) =>
    parseKubeconfig(`clusters: [{name: c, cluster: {server: "${server}"}}]\ncurrent-context: ${current}`);
  const merged = mergeKubeconfigs([of("https://one", '""'), of("https://two", "two")]);
  assert.equal(merged.clusters.get("c")?.server, "https://one");
  assert.equal(merged.currentContext, "two");
});

const wrong: [string, string, RegExp][] = [
  ["not YAML", "a: [", /^kubeconfig: not YAML$/],
  ["no mapping", "- a", /kubeconfig is not a mapping/],
  ["no server", "clusters: [{name: c, cluster: {}}]", /cluster "c": server is missing/],
  ["no name", "users: [{user: {token: t}}]", /an entry of users has no name/],
  [
    "a proxy",
    'clusters: [{name: c, cluster: {server: "https://x", proxy-url: "http://p"}}]',
    /proxy-url is not supported/,
  ],
];
for (const [what, text, message] of wrong) {
  test(`refused, saying why: ${what}`, () => assert.throws(() => parseKubeconfig(text), { message }));
}

test("a way to log in that is not supported is named", () => {
  const config = parseKubeconfig("users: [{name: u, user: {exec: {command: aws}}}]");
  assert.equal(config.users.get("u")?.unsupported, "exec");
});
