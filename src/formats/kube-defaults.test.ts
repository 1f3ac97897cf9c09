import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeObject } from "./kube-decode.ts";
import { applyDefaults } from "./kube-defaults.ts";
import { splitGroupVersion } from "./kube-schema.ts";

/** Decodes and defaults; what a client would read back. */
function defaulted(apiVersion: string, kind: string, document: object): unknown {
  const gvk = { ...splitGroupVersion(apiVersion), kind };
  const { object } = decodeObject(gvk, { metadata: { name: "x" }, ...document });
  applyDefaults(gvk, object);
  const again = structuredClone(object);
  applyDefaults(gvk, again);
  assert.deepEqual(again, object, "defaults are stable");
  return object;
}

const CONTAINER = { resources: {}, terminationMessagePath: "/dev/termination-log", terminationMessagePolicy: "File" };
const POD_SPEC = {
  dnsPolicy: "ClusterFirst",
  restartPolicy: "Always",
  schedulerName: "default-scheduler",
  securityContext: {},
  terminationGracePeriodSeconds: 30,
};

test("a pod", () => {
  const pod = defaulted("v1", "Pod", {
    spec: {
      serviceAccount: "robot",
      volumes: [
        { name: "a" },
        { name: "s", secret: { secretName: "s" } },
        { name: "h", hostPath: { path: "/" } },
        { name: "p", projected: { sources: [{ serviceAccountToken: { path: "t" } }] } },
      ],
      containers: [
        {
          name: "c",
          image: "nginx",
          ports: [{ containerPort: 80 }],
          env: [{ name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }],
          resources: { limits: { cpu: "0.5", memory: "1Gi" }, requests: { cpu: "100m" } },
          livenessProbe: { httpGet: { port: 80 } },
          readinessProbe: { grpc: { port: 80 } },
          lifecycle: { preStop: { httpGet: { port: "x" } } },
        },
      ],
    },
  });
  const probe = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 };
  assert.deepEqual(pod, {
    metadata: { name: "x" },
    spec: {
      ...POD_SPEC,
      enableServiceLinks: true,
      serviceAccount: "robot",
      serviceAccountName: "robot",
      volumes: [
        { name: "a", emptyDir: {} },
        { name: "s", secret: { secretName: "s", defaultMode: 420 } },
        { name: "h", hostPath: { path: "/", type: "" } },
        {
          name: "p",
          projected: { defaultMode: 420, sources: [{ serviceAccountToken: { path: "t", expirationSeconds: 3600 } }] },
        },
      ],
      containers: [
        {
          ...CONTAINER,
          name: "c",
          image: "nginx",
          imagePullPolicy: "Always",
          ports: [{ containerPort: 80, protocol: "TCP" }],
          env: [{ name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP", apiVersion: "v1" } } }],
          resources: { limits: { cpu: "500m", memory: "1Gi" }, requests: { cpu: "100m", memory: "1Gi" } },
          livenessProbe: { ...probe, httpGet: { port: 80, path: "/", scheme: "HTTP" } },
          readinessProbe: { ...probe, grpc: { port: 80, service: "" } },
          lifecycle: { preStop: { httpGet: { port: "x", path: "/", scheme: "HTTP" } } },
        },
      ],
    },
    status: {},
  });
});

const PULL: readonly [string, string][] = [
  ["nginx", "Always"],
  ["nginx:latest", "Always"],
  ["nginx:1.25", "IfNotPresent"],
  ["localhost:5000/nginx", "Always"],
  ["localhost:5000/a/nginx:1", "IfNotPresent"],
  [`nginx@sha256:${"a".repeat(64)}`, "IfNotPresent"],
  [`nginx:latest@sha256:${"a".repeat(64)}`, "Always"],
  ["", "IfNotPresent"],
  ["Not A Reference", "IfNotPresent"],
];
for (const [image, policy] of PULL) {
  test(`image "${image}" is pulled ${policy}`, () => {
    const pod = defaulted("v1", "Pod", { spec: { containers: [{ name: "c", image }] } }) as {
      spec: { containers: { imagePullPolicy: string }[] };
    };
    assert.equal(pod.spec.containers[0]?.imagePullPolicy, policy);
  });
}

test("host network ports and rounding to millis", () => {
  const pod = defaulted("v1", "Pod", {
    spec: {
      hostNetwork: true,
      containers: [{ name: "c", ports: [{ containerPort: 80 }], resources: { requests: { cpu: "100u" } } }],
    },
  });
  assert.match(JSON.stringify(pod), /"containerPort":80,"protocol":"TCP","hostPort":80.*"cpu":"1m"/);
});

test("pod-level requests follow containers, then the pod's limits", () => {
  const pod = defaulted("v1", "Pod", {
    spec: {
      resources: { limits: { cpu: "2", memory: "1Gi" } },
      containers: [
        { name: "c", resources: { requests: { cpu: "500m" } } },
        { name: "d", resources: { requests: { cpu: "250m" } } },
      ],
    },
  }) as { spec: { resources: object } };
  assert.deepEqual(pod.spec.resources, {
    limits: { cpu: "2", memory: "1Gi" },
    requests: { cpu: "750m", memory: "1Gi" },
  });
});

test("workloads", () => {
  const template = { spec: { containers: [{ name: "c", image: "x:1" }] } };
  const filled = {
    metadata: {},
    spec: { ...POD_SPEC, containers: [{ ...CONTAINER, name: "c", image: "x:1", imagePullPolicy: "IfNotPresent" }] },
  };
  assert.deepEqual(defaulted("apps/v1", "Deployment", { spec: { template } }), {
    metadata: { name: "x" },
    spec: {
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%", maxSurge: "25%" } },
      template: filled,
    },
    status: {},
  });
  const recreate = defaulted("apps/v1", "Deployment", {
    spec: { replicas: 0, strategy: { type: "Recreate" }, template },
  }) as { spec: object };
  assert.deepEqual(
    { ...recreate.spec, template: 0 },
    {
      replicas: 0,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: "Recreate" },
      template: 0,
    },
  );
  assert.match(
    JSON.stringify(defaulted("apps/v1", "DaemonSet", { spec: { template } })),
    /"rollingUpdate":\{"maxUnavailable":1,"maxSurge":0\}/,
  );
  const set = defaulted("apps/v1", "StatefulSet", {
    spec: { template, volumeClaimTemplates: [{ metadata: { name: "v" }, spec: {} }] },
  });
  assert.match(JSON.stringify(set), /"apiVersion":"v1","kind":"PersistentVolumeClaim"/);
  assert.match(
    JSON.stringify(set),
    /"persistentVolumeClaimRetentionPolicy":\{"whenDeleted":"Retain","whenScaled":"Retain"\}/,
  );
  const job = defaulted("batch/v1", "Job", {
    spec: { template: { ...template, metadata: { labels: { a: "b" } } } },
  }) as { metadata: object; spec: object };
  assert.deepEqual(job.metadata, { name: "x", labels: { a: "b" } });
  assert.deepEqual(
    { ...job.spec, template: 0 },
    {
      template: 0,
      completions: 1,
      parallelism: 1,
      backoffLimit: 6,
      completionMode: "NonIndexed",
      suspend: false,
      podReplacementPolicy: "TerminatingOrFailed",
      manualSelector: false,
    },
  );
  assert.match(
    JSON.stringify(
      defaulted("batch/v1", "CronJob", { spec: { schedule: "* * * * *", jobTemplate: { spec: { template } } } }),
    ),
    /"concurrencyPolicy":"Allow","suspend":false,"successfulJobsHistoryLimit":3,"failedJobsHistoryLimit":1/,
  );
});

test("services", () => {
  const service = (spec: object): unknown => (defaulted("v1", "Service", { spec }) as { spec: unknown }).spec;
  assert.deepEqual(service({ ports: [{ port: 80 }] }), {
    type: "ClusterIP",
    sessionAffinity: "None",
    internalTrafficPolicy: "Cluster",
    ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
  });
  assert.deepEqual(service({ type: "LoadBalancer", sessionAffinity: "ClientIP" }), {
    type: "LoadBalancer",
    sessionAffinity: "ClientIP",
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
    externalTrafficPolicy: "Cluster",
    internalTrafficPolicy: "Cluster",
    allocateLoadBalancerNodePorts: true,
  });
  assert.deepEqual(service({ type: "ExternalName", externalName: "a.b" }), {
    type: "ExternalName",
    sessionAffinity: "None",
    externalName: "a.b",
  });
});

test("the other kinds", () => {
  const cases: readonly [string, string, object, RegExp][] = [
    ["v1", "Secret", {}, /"type":"Opaque"/],
    ["v1", "Secret", { stringData: { a: "b" }, data: { a: "eA==", c: "eQ==" } }, /"data":\{"a":"Yg==","c":"eQ=="\}/],
    ["v1", "Namespace", {}, /"labels":\{"kubernetes.io\/metadata.name":"x"\}.*"phase":"Active"/],
    ["v1", "PersistentVolume", { spec: {} }, /"persistentVolumeReclaimPolicy":"Retain","volumeMode":"Filesystem"/],
    ["v1", "PersistentVolumeClaim", { spec: {} }, /"volumeMode":"Filesystem".*"phase":"Pending"/],
    [
      "v1",
      "LimitRange",
      { spec: { limits: [{ type: "Container", max: { cpu: "2" }, min: { memory: "1Mi" } }] } },
      /"default":\{"cpu":"2"\},"defaultRequest":\{"cpu":"2","memory":"1Mi"\}/,
    ],
    ["v1", "Node", { status: { capacity: { cpu: "2" } } }, /"allocatable":\{"cpu":"2"\}/],
    [
      "rbac.authorization.k8s.io/v1",
      "RoleBinding",
      {
        roleRef: { kind: "Role", name: "r" },
        subjects: [
          { kind: "User", name: "u" },
          { kind: "ServiceAccount", name: "s" },
        ],
      },
      /"subjects":\[\{"kind":"User","name":"u","apiGroup":"rbac.authorization.k8s.io"\},\{"kind":"ServiceAccount","name":"s"\}\]/,
    ],
    [
      "networking.k8s.io/v1",
      "NetworkPolicy",
      { spec: { podSelector: {}, egress: [{}] } },
      /"policyTypes":\["Ingress","Egress"\]/,
    ],
    [
      "storage.k8s.io/v1",
      "StorageClass",
      { provisioner: "p" },
      /"reclaimPolicy":"Delete","volumeBindingMode":"Immediate"/,
    ],
    ["autoscaling/v2", "HorizontalPodAutoscaler", { spec: { behavior: { scaleUp: {} } } }, /"averageUtilization":80.*/],
    [
      "discovery.k8s.io/v1",
      "EndpointSlice",
      { ports: [{ port: 1 }] },
      /"ports":\[\{"port":1,"name":"","protocol":"TCP"\}\]/,
    ],
    ["scheduling.k8s.io/v1", "PriorityClass", { value: 1 }, /"preemptionPolicy":"PreemptLowerPriority"/],
    [
      "admissionregistration.k8s.io/v1",
      "MutatingWebhookConfiguration",
      { webhooks: [{ name: "w", clientConfig: { service: { name: "s" } }, rules: [{}] }] },
      /"port":443.*"scope":"\*".*"failurePolicy":"Fail".*"reinvocationPolicy":"Never"/,
    ],
    [
      "apiextensions.k8s.io/v1",
      "CustomResourceDefinition",
      { spec: { names: { kind: "Foo", plural: "foos" } } },
      /"singular":"foo","listKind":"FooList".*"strategy":"None"/,
    ],
    [
      "resource.k8s.io/v1",
      "ResourceClaim",
      { spec: { devices: { requests: [{ name: "r", exactly: { deviceClassName: "c" } }] } } },
      /"allocationMode":"ExactCount","count":1/,
    ],
  ];
  for (const [apiVersion, kind, document, wanted] of cases)
    assert.match(JSON.stringify(defaulted(apiVersion, kind, document)), wanted, kind);
});
