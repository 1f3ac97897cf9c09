import assert from "node:assert/strict";
import { test } from "node:test";
import { kubeletSettings } from "./kubelet-configuration.ts";

const head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

test("settings of a file, below those of the command line", () => {
  const text = `${head}shutdownGracePeriod: 30s
shutdownGracePeriodCriticalPods: 10s
maxPods: 250
staticPodPath: /etc/manifests
evictionHard: {memory.available: 200Mi}
failSwapOn: false
memorySwap: {swapBehavior: NoSwap}
`;
  const { shutdown, maxPods, staticPodPath, eviction } = kubeletSettings(text, {});
  assert.deepEqual(
    [shutdown, maxPods, staticPodPath],
    [{ totalMs: 30_000, criticalMs: 10_000 }, 250, "/etc/manifests"],
  );
  assert.deepEqual(
    eviction.thresholds.map((each) => each.text),
    ["200Mi"],
  );
  const flags = kubeletSettings(text, { hard: "memory.available<1Gi" });
  assert.deepEqual(
    flags.eviction.thresholds.map((each) => each.text),
    ["1Gi"],
  );
});

test("without a file pods are not asked to end, and there are 110 at most", () => {
  const { shutdown, maxPods, staticPodPath } = kubeletSettings(undefined, {});
  assert.deepEqual([shutdown, maxPods, staticPodPath], [{ totalMs: 0, criticalMs: 0 }, 110, undefined]);
});

test("what is wrong or not supported is named", () => {
  for (const [line, message] of [
    ["cgroupDriver: systemd", /cgroupDriver is not supported/],
    ["memorySwap: {swapBehavior: LimitedSwap}", /memorySwap\.swapBehavior: LimitedSwap is not supported/],
    ["failSwapOn: true", /failSwapOn is not supported/],
    ["shutdownGracePeriod: 10s\nshutdownGracePeriodCriticalPods: 20s", /CriticalPods must be at most/],
    ["shutdownGracePeriod: 10ms", /either zero or at least 1 second/],
    ["shutdownGracePeriod: 10", /must be a time such as 30s/],
    ["maxPods: 0", /maxPods must be/],
    ["staticPodPath: manifests", /staticPodPath must be an absolute path/],
    ["evictionHard: {memory.availabel: 1Gi}", /no eviction signal/],
  ] as const)
    assert.throws(() => kubeletSettings(`${head}${line}\n`, {}), message, line);
  assert.throws(() => kubeletSettings("kind: Pod\n", {}), /apiVersion and kind/);
});
