/** Pods with the real kubectl: documents, and waiting for what becomes of them. */
import assert from "node:assert/strict";
import type { Result, TestGantry } from "#test/gantry.ts";

export interface Kubectl {
  /** Its output; the test fails when it does. */
  (...args: string[]): Promise<string>;
}

export interface PodTools {
  readonly kubectl: Kubectl;
  apply(...objects: object[]): Promise<string>;
  ready(name: string): Promise<string>;
  phase(name: string, wanted: string): Promise<string>;
  /** Waits for a value at a path of the pod's document, and fails with what it was. */
  field(name: string, path: string): Promise<string>;
  waitFor(name: string, path: string, wanted: string): Promise<string>;
  /** Runs a shell line in a pod's container. */
  sh(name: string, script: string, container?: string): Promise<string>;
}

export function podTools(gantry: () => TestGantry): PodTools {
  const kubectl = (...args: string[]): Promise<string> => ok(gantry().kubectl(...args));
  const waitFor = (name: string, path: string, wanted: string): Promise<string> =>
    kubectl("wait", `--for=jsonpath={${path}}=${wanted}`, `pod/${name}`, "--timeout=30s");
  return {
    kubectl,
    waitFor,
    apply: (...objects) =>
      ok(
        gantry().run("kubectl", ["apply", "-f", "-"], {
          input: objects.map((object) => JSON.stringify(object)).join("\n"),
        }),
      ),
    ready: (name) => kubectl("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=30s"),
    phase: (name, wanted) => waitFor(name, ".status.phase", wanted),
    field: (name, path) => kubectl("get", "pod", name, "-o", `jsonpath={${path}}`),
    sh: (name, script, container) =>
      kubectl("exec", name, ...(container === undefined ? [] : ["-c", container]), "--", "sh", "-c", script),
  };
}

export async function ok(result: Promise<Result>): Promise<string> {
  const { code, stdout, stderr } = await result;
  assert.equal(code, 0, stderr + stdout);
  return stdout;
}

export function pod(name: string, spec: object, metadata: object = {}): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, ...metadata },
    spec: { terminationGracePeriodSeconds: 0, ...spec },
  };
}

export function busybox(name: string, script: string, more: object = {}): object {
  return { name, image: "busybox", imagePullPolicy: "IfNotPresent", command: ["sh", "-c", script], ...more };
}

/** A container that does nothing until it ends. */
export function idle(more: object = {}): object {
  return busybox("main", "trap exit TERM; sleep 600 & wait", more);
}
