import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "./kube-object.ts";
import { splitGroupVersion } from "./kube-schema.ts";
import { customTable, humanDuration, tableOf } from "./kube-tables.ts";

const NOW = Date.UTC(2026, 0, 2);
const before = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString().replace(".000", "");
const meta = (more: object = {}): object => ({ name: "x", creationTimestamp: before(65), ...more });

function row(apiVersion: string, kind: string, document: object): Record<string, unknown> {
  const table = tableOf({ ...splitGroupVersion(apiVersion), kind });
  const cells = table.cells({ metadata: meta(), ...document } as KubeObject, NOW);
  assert.equal(cells.length, table.columns.length, kind);
  return Object.fromEntries(table.columns.map(({ name }, index) => [name, cells[index]]));
}

test("spans of time", () => {
  const cases: readonly [number, string][] = [
    [-2, "<invalid>"],
    [-1, "0s"],
    [0, "0s"],
    [119, "119s"],
    [120, "2m"],
    [185, "3m5s"],
    [600, "10m"],
    [3 * 3600 - 1, "179m"],
    [3 * 3600, "3h"],
    [3 * 3600 + 300, "3h5m"],
    [8 * 3600, "8h"],
    [47 * 3600, "47h"],
    [48 * 3600, "2d"],
    [50 * 3600, "2d2h"],
    [10 * 86400, "10d"],
    [729 * 86400, "729d"],
    [735 * 86400, "2y5d"],
    [3650 * 86400, "10y"],
  ];
  for (const [seconds, wanted] of cases)
    assert.equal(humanDuration(seconds * 1000 - (seconds < 0 ? 500 : 0)), wanted, String(seconds));
});

const running = (more: object = {}): object => ({
  name: "c",
  ready: true,
  restartCount: 0,
  state: { running: {} },
  ...more,
});
const POD = { spec: { containers: [{ name: "c" }, { name: "d" }], nodeName: "n1" } };

test("pods say what they are doing", () => {
  const status = (spec: object, podStatus: object, metadata: object = {}): unknown[] => {
    const { Ready, Status, Restarts } = row("v1", "Pod", {
      metadata: meta(metadata),
      spec: { ...POD.spec, ...spec },
      status: podStatus,
    });
    return [Ready, Status, Restarts];
  };
  const init = { initContainers: [{ name: "i" }, { name: "j" }] };
  const sidecar = { initContainers: [{ name: "s", restartPolicy: "Always" }] };
  assert.deepEqual(status({}, { phase: "Pending" }), ["0/2", "Pending", "0"]);
  assert.deepEqual(status({}, { phase: "Running", containerStatuses: [running(), running()] }), [
    "2/2",
    "Running",
    "0",
  ]);
  assert.deepEqual(
    status(
      {},
      {
        phase: "Running",
        containerStatuses: [
          running(),
          {
            name: "d",
            restartCount: 3,
            state: { waiting: { reason: "CrashLoopBackOff" } },
            lastState: { terminated: { exitCode: 1, finishedAt: before(200) } },
          },
        ],
      },
    ),
    ["1/2", "CrashLoopBackOff", "3 (3m20s ago)"],
  );
  assert.deepEqual(
    status(
      {},
      { phase: "Succeeded", containerStatuses: [{ state: { terminated: { exitCode: 0, reason: "Completed" } } }] },
    ),
    ["0/2", "Completed", "0"],
  );
  assert.deepEqual(
    status(
      {},
      { phase: "Failed", containerStatuses: [{ state: { terminated: { exitCode: 137, reason: "OOMKilled" } } }] },
    ),
    ["0/2", "OOMKilled", "0"],
  );
  assert.deepEqual(status({}, { phase: "Failed", containerStatuses: [{ state: { terminated: { exitCode: 3 } } }] }), [
    "0/2",
    "ExitCode:3",
    "0",
  ]);
  assert.deepEqual(
    status({}, { phase: "Failed", containerStatuses: [{ state: { terminated: { exitCode: 0, signal: 9 } } }] }),
    ["0/2", "Signal:9", "0"],
  );
  assert.deepEqual(status({}, { phase: "Failed", reason: "Evicted" }), ["0/2", "Evicted", "0"]);
  assert.deepEqual(
    status(
      {},
      { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }] },
    ),
    ["0/2", "SchedulingGated", "0"],
  );
  assert.deepEqual(status(init, { phase: "Pending", initContainerStatuses: [{ name: "i", state: { running: {} } }] }), [
    "0/2",
    "Init:0/2",
    "0",
  ]);
  assert.deepEqual(
    status(init, {
      phase: "Pending",
      initContainerStatuses: [
        { name: "i", state: { terminated: { exitCode: 0 } } },
        { name: "j", restartCount: 2, state: { waiting: { reason: "CrashLoopBackOff" } } },
      ],
    }),
    ["0/2", "Init:CrashLoopBackOff", "2"],
  );
  assert.deepEqual(
    status(init, { phase: "Pending", initContainerStatuses: [{ name: "i", state: { terminated: { exitCode: 1 } } }] }),
    ["0/2", "Init:ExitCode:1", "0"],
  );
  assert.deepEqual(
    status(sidecar, {
      phase: "Running",
      initContainerStatuses: [{ name: "s", started: true, ready: true, state: { running: {} } }],
      containerStatuses: [running(), running()],
    }),
    ["3/3", "Running", "0"],
  );
  assert.deepEqual(status({}, { phase: "Running", containerStatuses: [running()] }, { deletionTimestamp: before(1) }), [
    "1/2",
    "Terminating",
    "0",
  ]);
  assert.deepEqual(status({}, { phase: "Running", reason: "NodeLost" }, { deletionTimestamp: before(1) }), [
    "0/2",
    "Unknown",
    "0",
  ]);
  const notReady = {
    phase: "Running",
    containerStatuses: [{ name: "c", state: { terminated: { reason: "Completed", exitCode: 0 } } }, running()],
  };
  assert.deepEqual(status({}, notReady), ["1/2", "NotReady", "0"]);
  assert.deepEqual(status({}, { ...notReady, conditions: [{ type: "Ready", status: "True" }] }), [
    "1/2",
    "Running",
    "0",
  ]);
});

test("wide pod columns, and rows of completed pods", () => {
  const wide = row("v1", "Pod", {
    spec: { ...POD.spec, readinessGates: [{ conditionType: "a/b" }, { conditionType: "c/d" }] },
    status: { phase: "Running", podIPs: [{ ip: "10.0.0.7" }], conditions: [{ type: "a/b", status: "True" }] },
  });
  assert.deepEqual(
    [wide["Age"], wide["IP"], wide["Node"], wide["Nominated Node"], wide["Readiness Gates"]],
    ["65s", "10.0.0.7", "n1", "<none>", "1/2"],
  );
  const pods = tableOf({ group: "", version: "v1", kind: "Pod" });
  assert.deepEqual(pods.conditions?.({ metadata: {}, status: { phase: "Succeeded" } } as KubeObject), [
    { type: "Completed", status: "True", reason: "Succeeded", message: "The pod has completed successfully." },
  ]);
});

const template = {
  spec: {
    containers: [
      { name: "a", image: "x:1" },
      { name: "b", image: "y" },
    ],
  },
};
const selector = { matchLabels: { app: "web" } };
const ROWS: readonly [string, string, object, Record<string, unknown>][] = [
  [
    "apps/v1",
    "Deployment",
    {
      spec: { replicas: 3, selector, template },
      status: { readyReplicas: 2, updatedReplicas: 3, availableReplicas: 2 },
    },
    {
      Name: "x",
      Ready: "2/3",
      "Up-to-date": 3,
      Available: 2,
      Age: "65s",
      Containers: "a,b",
      Images: "x:1,y",
      Selector: "app=web",
    },
  ],
  [
    "apps/v1",
    "ReplicaSet",
    { spec: { replicas: 3, selector, template }, status: { replicas: 3, readyReplicas: 1 } },
    { Desired: 3, Current: 3, Ready: 1 },
  ],
  ["apps/v1", "StatefulSet", { spec: { replicas: 2, template } }, { Ready: "0/2" }],
  [
    "apps/v1",
    "DaemonSet",
    { spec: { selector, template }, status: { desiredNumberScheduled: 2 } },
    { Desired: 2, "Node Selector": "<none>" },
  ],
  [
    "batch/v1",
    "Job",
    {
      spec: { completions: 2, template },
      status: {
        succeeded: 2,
        startTime: before(60),
        completionTime: before(30),
        conditions: [{ type: "Complete", status: "True" }],
      },
    },
    { Status: "Complete", Completions: "2/2", Duration: "30s", Selector: "<none>" },
  ],
  [
    "batch/v1",
    "Job",
    { spec: { parallelism: 3, template }, status: { startTime: before(60) } },
    { Status: "Running", Completions: "0/1 of 3", Duration: "60s" },
  ],
  [
    "batch/v1",
    "CronJob",
    {
      spec: { schedule: "* * * * *", suspend: false, jobTemplate: { spec: { template } } },
      status: { lastScheduleTime: before(5), active: [{}] },
    },
    { Timezone: "<none>", Suspend: "False", Active: 1, "Last Schedule": "5s", Images: "x:1,y" },
  ],
  [
    "v1",
    "Service",
    {
      spec: {
        type: "NodePort",
        clusterIPs: ["10.96.0.1"],
        ports: [
          { port: 80, nodePort: 30080, protocol: "TCP" },
          { port: 53, protocol: "UDP" },
        ],
        selector: { a: "b" },
      },
    },
    {
      Type: "NodePort",
      "Cluster-IP": "10.96.0.1",
      "External-IP": "<none>",
      "Port(s)": "80:30080/TCP,53/UDP",
      Selector: "a=b",
    },
  ],
  ["v1", "Service", { spec: { type: "LoadBalancer", clusterIP: "10.96.0.1" } }, { "External-IP": "<pending>" }],
  [
    "v1",
    "Service",
    { spec: { type: "ExternalName", externalName: "a.b" } },
    { "Cluster-IP": "<none>", "External-IP": "a.b", "Port(s)": "<none>" },
  ],
  [
    "v1",
    "Node",
    {
      metadata: meta({ labels: { "node-role.kubernetes.io/control-plane": "" } }),
      spec: { unschedulable: true },
      status: {
        conditions: [{ type: "Ready", status: "True" }],
        addresses: [{ type: "InternalIP", address: "10.0.0.1" }],
        nodeInfo: {
          kubeletVersion: "v1.36.0",
          osImage: "Debian",
          kernelVersion: "6.18",
          containerRuntimeVersion: "gantry://0.1.0",
        },
      },
    },
    {
      Status: "Ready,SchedulingDisabled",
      Roles: "control-plane",
      Version: "v1.36.0",
      "Internal-IP": "10.0.0.1",
      "External-IP": "<none>",
      "OS-Image": "Debian",
    },
  ],
  ["v1", "Node", {}, { Status: "Unknown", Roles: "<none>", "OS-Image": "<unknown>" }],
  [
    "v1",
    "Event",
    {
      involvedObject: { kind: "Pod", name: "p", fieldPath: "spec.containers{c}" },
      reason: "Started",
      type: "Normal",
      message: "hi\n",
      source: { component: "kubelet", host: "n1" },
      firstTimestamp: before(90),
      lastTimestamp: before(10),
      count: 4,
    },
    { "Last Seen": "10s", Object: "pod/p", Source: "kubelet, n1", Message: "hi", "First Seen": "90s", Count: 4 },
  ],
  [
    "v1",
    "Event",
    { involvedObject: { kind: "Node", name: "n" }, eventTime: before(7), reportingComponent: "s" },
    { "Last Seen": "7s", "First Seen": "7s", Count: 1, Source: "s" },
  ],
  ["v1", "ConfigMap", { data: { a: "b" }, binaryData: { c: "" } }, { Data: 2 }],
  ["v1", "Secret", { type: "Opaque", data: {} }, { Type: "Opaque", Data: 0 }],
  [
    "v1",
    "PersistentVolumeClaim",
    {
      spec: { volumeName: "v", storageClassName: "fast", volumeMode: "Filesystem" },
      status: { phase: "Bound", capacity: { storage: "1Gi" }, accessModes: ["ReadWriteOnce"] },
    },
    {
      Status: "Bound",
      Volume: "v",
      Capacity: "1Gi",
      "Access Modes": "RWO",
      StorageClass: "fast",
      VolumeAttributesClass: "<unset>",
    },
  ],
  [
    "v1",
    "PersistentVolume",
    {
      spec: {
        capacity: { storage: "1Gi" },
        accessModes: ["ReadOnlyMany", "ReadWriteMany"],
        claimRef: { namespace: "a", name: "b" },
      },
      status: { phase: "Bound" },
    },
    { "Access Modes": "ROX,RWX", Claim: "a/b" },
  ],
  [
    "v1",
    "ResourceQuota",
    { status: { hard: { pods: "4", "limits.cpu": "2", "requests.cpu": "1" }, used: { pods: "1", "limits.cpu": "0" } } },
    { Request: "pods: 1/4, requests.cpu: 0/1", Limit: "limits.cpu: 0/2" },
  ],
  [
    "v1",
    "Endpoints",
    { subsets: [{ addresses: [{ ip: "10.0.0.1" }, { ip: "10.0.0.2" }], ports: [{ port: 80 }, { port: 81 }] }] },
    { Endpoints: "10.0.0.1:80,10.0.0.2:80,10.0.0.1:81 + 1 more..." },
  ],
  [
    "discovery.k8s.io/v1",
    "EndpointSlice",
    { addressType: "IPv4", ports: [{ port: 80 }], endpoints: [{ addresses: ["10.0.0.1"] }] },
    { AddressType: "IPv4", Ports: "80", Endpoints: "10.0.0.1" },
  ],
  [
    "autoscaling/v2",
    "HorizontalPodAutoscaler",
    {
      spec: {
        minReplicas: 1,
        maxReplicas: 5,
        scaleTargetRef: { kind: "Deployment", name: "d" },
        metrics: [
          { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } },
        ],
      },
      status: {
        currentReplicas: 2,
        currentMetrics: [{ type: "Resource", resource: { name: "cpu", current: { averageUtilization: 12 } } }],
      },
    },
    { Reference: "Deployment/d", Targets: "cpu: 12%/80%", MinPods: "1", MaxPods: 5, Replicas: 2 },
  ],
  [
    "policy/v1",
    "PodDisruptionBudget",
    { spec: { minAvailable: "50%" } },
    { "Min Available": "50%", "Max Unavailable": "N/A", "Allowed Disruptions": 0 },
  ],
  [
    "rbac.authorization.k8s.io/v1",
    "RoleBinding",
    {
      roleRef: { kind: "Role", name: "r" },
      subjects: [
        { kind: "User", name: "u" },
        { kind: "ServiceAccount", name: "s", namespace: "n" },
      ],
    },
    { Role: "Role/r", Users: "u", Groups: "", ServiceAccounts: "n/s" },
  ],
  ["rbac.authorization.k8s.io/v1", "Role", {}, { "Created At": before(65) }],
  [
    "networking.k8s.io/v1",
    "Ingress",
    { spec: { rules: [{ host: "a.b" }], tls: [{}] } },
    { Class: "<none>", Hosts: "a.b", Address: "", Ports: "80, 443" },
  ],
  [
    "storage.k8s.io/v1",
    "StorageClass",
    { metadata: meta({ annotations: { "storageclass.kubernetes.io/is-default-class": "true" } }), provisioner: "p" },
    { Name: "x (default)", ReclaimPolicy: "Delete", VolumeBindingMode: "Immediate", AllowVolumeExpansion: false },
  ],
  ["coordination.k8s.io/v1", "Lease", { spec: { holderIdentity: "me" } }, { Holder: "me" }],
  [
    "certificates.k8s.io/v1",
    "CertificateSigningRequest",
    { spec: { signerName: "s", username: "u" }, status: { conditions: [{ type: "Approved" }], certificate: "x" } },
    { Condition: "Approved,Issued", RequestedDuration: "<none>" },
  ],
  [
    "apps/v1",
    "ControllerRevision",
    {
      revision: 3,
      metadata: meta({ ownerReferences: [{ apiVersion: "apps/v1", kind: "DaemonSet", name: "d", controller: true }] }),
    },
    { Controller: "daemonset.apps/d", Revision: 3 },
  ],
  ["apiextensions.k8s.io/v1", "CustomResourceDefinition", {}, { Name: "x", "Created At": before(65) }],
];

for (const [apiVersion, kind, document, wanted] of ROWS) {
  test(`${kind} shows ${JSON.stringify(wanted).slice(0, 80)}`, () => {
    const shown = row(apiVersion, kind, document);
    for (const [name, value] of Object.entries(wanted)) assert.deepEqual(shown[name], value, name);
  });
}

test("custom resources show their own columns", () => {
  const table = customTable([
    { name: "Phase", type: "string", jsonPath: ".status.phase" },
    { name: "Replicas", type: "integer", jsonPath: ".spec.replicas", priority: 1 },
    { name: "Started", type: "date", jsonPath: ".status.startedAt" },
    { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
    { name: "Wrong", type: "integer", jsonPath: ".status.phase" },
  ]);
  const object = {
    metadata: { name: "x" },
    spec: { replicas: 2 },
    status: { phase: "Up", startedAt: before(30), conditions: [{ type: "Ready", status: "True" }] },
  } as KubeObject;
  assert.deepEqual(table.cells(object, NOW), ["x", "Up", 2, "30s", "True", null]);
  assert.deepEqual(
    table.columns.map(({ priority }) => priority),
    [0, 0, 1, 0, 0, 0],
  );
  assert.deepEqual(customTable(undefined).cells({ metadata: { name: "x", creationTimestamp: before(3) } }, NOW), [
    "x",
    "3s",
  ]);
});
