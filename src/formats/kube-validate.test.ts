import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeObject } from "./kube-decode.ts";
import { applyDefaults } from "./kube-defaults.ts";
import type { KubeObject } from "./kube-object.ts";
import { splitGroupVersion } from "./kube-schema.ts";
import { validateCreate } from "./kube-validate.ts";

const CLUSTER = new Set([
  "Namespace",
  "Node",
  "PersistentVolume",
  "ClusterRole",
  "ClusterRoleBinding",
  "StorageClass",
  "PriorityClass",
  "ValidatingWebhookConfiguration",
]);

function made(
  apiVersion: string,
  kind: string,
  document: object,
): { gvk: { group: string; version: string; kind: string; namespaced: boolean }; object: KubeObject } {
  const gvk = { ...splitGroupVersion(apiVersion), kind, namespaced: !CLUSTER.has(kind) };
  const metadata = { name: "x", ...(gvk.namespaced ? { namespace: "default" } : {}) };
  const { object } = decodeObject(gvk, { metadata, ...document });
  applyDefaults(gvk, object);
  return { gvk, object };
}

function problems(apiVersion: string, kind: string, document: object): string[] {
  const { gvk, object } = made(apiVersion, kind, document);
  return validateCreate(gvk, object).map(({ field, message }) => `${field}: ${message}`);
}

const C = { name: "c", image: "nginx" };
const pod = (spec: object): object => ({ spec: { containers: [C], ...spec } });
const container = (more: object): object => pod({ containers: [{ ...C, ...more }] });
const template = { metadata: { labels: { app: "x" } }, spec: { containers: [C] } };
const selector = { matchLabels: { app: "x" } };

test("whole manifests are fine", () => {
  const good: readonly [string, string, object][] = [
    [
      "v1",
      "Pod",
      pod({
        volumes: [{ name: "v", emptyDir: {} }],
        containers: [
          {
            ...C,
            volumeMounts: [{ name: "v", mountPath: "/v" }],
            ports: [{ name: "web", containerPort: 80 }],
            env: [{ name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }],
            livenessProbe: { httpGet: { port: "web" } },
            resources: { limits: { cpu: "1", "nvidia.com/gpu": "1" } },
          },
        ],
        tolerations: [{ operator: "Exists" }],
        affinity: {
          podAntiAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [
              { topologyKey: "kubernetes.io/hostname", labelSelector: selector },
            ],
          },
        },
      }),
    ],
    ["apps/v1", "Deployment", { spec: { selector, template } }],
    ["apps/v1", "ReplicaSet", { spec: { selector, template } }],
    ["apps/v1", "DaemonSet", { spec: { selector, template } }],
    ["apps/v1", "StatefulSet", { spec: { selector, template, serviceName: "x" } }],
    [
      "batch/v1",
      "Job",
      { spec: { selector, template: { ...template, spec: { ...template.spec, restartPolicy: "Never" } } } },
    ],
    [
      "batch/v1",
      "CronJob",
      {
        spec: {
          schedule: "*/5 * * * *",
          timeZone: "Asia/Seoul",
          jobTemplate: { spec: { template: { spec: { ...template.spec, restartPolicy: "OnFailure" } } } },
        },
      },
    ],
    ["v1", "Service", { spec: { ports: [{ port: 80 }], selector: { app: "x" } } }],
    ["v1", "ConfigMap", { data: { a: "b", "app.properties": "x" } }],
    ["v1", "Secret", { data: { a: "aGk=" } }],
    ["v1", "Namespace", { spec: { finalizers: ["kubernetes"] } }],
    ["v1", "Node", { spec: { taints: [{ key: "a", effect: "NoSchedule" }] } }],
    [
      "v1",
      "PersistentVolumeClaim",
      { spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } } },
    ],
    [
      "v1",
      "PersistentVolume",
      { spec: { accessModes: ["ReadWriteOnce"], capacity: { storage: "1Gi" }, hostPath: { path: "/x" } } },
    ],
    [
      "v1",
      "ResourceQuota",
      {
        spec: {
          hard: { pods: "4", "requests.cpu": "1", "count/deployments.apps": "2", "limits.memory": "1Gi" },
          scopeSelector: { matchExpressions: [{ scopeName: "PriorityClass", operator: "In", values: ["high"] }] },
        },
      },
    ],
    [
      "v1",
      "LimitRange",
      { spec: { limits: [{ type: "Container", max: { cpu: "2" }, min: { cpu: "100m" }, default: { cpu: "500m" } }] } },
    ],
    ["rbac.authorization.k8s.io/v1", "Role", { rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }] }],
    [
      "rbac.authorization.k8s.io/v1",
      "ClusterRoleBinding",
      { roleRef: { kind: "ClusterRole", name: "system:x" }, subjects: [{ kind: "User", name: "u" }] },
    ],
    [
      "networking.k8s.io/v1",
      "NetworkPolicy",
      { spec: { podSelector: {}, ingress: [{ from: [{ podSelector: selector }], ports: [{ port: 80 }] }] } },
    ],
    [
      "networking.k8s.io/v1",
      "Ingress",
      {
        spec: {
          rules: [
            {
              host: "a.b",
              http: {
                paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "s", port: { number: 80 } } } }],
              },
            },
          ],
        },
      },
    ],
    [
      "autoscaling/v2",
      "HorizontalPodAutoscaler",
      { spec: { maxReplicas: 3, scaleTargetRef: { kind: "Deployment", name: "x", apiVersion: "apps/v1" } } },
    ],
    ["policy/v1", "PodDisruptionBudget", { spec: { minAvailable: "50%", selector } }],
    ["storage.k8s.io/v1", "StorageClass", { provisioner: "example.com/p" }],
    ["coordination.k8s.io/v1", "Lease", { spec: { leaseDurationSeconds: 15, holderIdentity: "a" } }],
    ["scheduling.k8s.io/v1", "PriorityClass", { value: 1000 }],
    ["v1", "Event", { involvedObject: { kind: "Pod", name: "p", namespace: "default" } }],
    ["v1", "ServiceAccount", {}],
  ];
  for (const [apiVersion, kind, document] of good) assert.deepEqual(problems(apiVersion, kind, document), [], kind);
});

const BAD: readonly [string, string, object, string[]][] = [
  ["v1", "Pod", { spec: {} }, ["spec.containers: Required value"]],
  ["v1", "Pod", container({ image: "" }), ["spec.containers[0].image: Required value"]],
  [
    "v1",
    "Pod",
    container({ name: "A_b" }),
    [
      "spec.containers[0].name: Invalid value: \"A_b\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    ],
  ],
  ["v1", "Pod", pod({ containers: [C, C] }), ['spec.containers[1].name: Duplicate value: "c"']],
  [
    "v1",
    "Pod",
    pod({ restartPolicy: "Sometimes" }),
    ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'],
  ],
  [
    "v1",
    "Pod",
    container({ imagePullPolicy: "Maybe" }),
    [
      'spec.containers[0].imagePullPolicy: Unsupported value: "Maybe": supported values: "Always", "IfNotPresent", "Never"',
    ],
  ],
  [
    "v1",
    "Pod",
    container({ ports: [{ containerPort: 99999 }] }),
    ["spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and 65535, inclusive"],
  ],
  ["v1", "Pod", container({ ports: [{}] }), ["spec.containers[0].ports[0].containerPort: Required value"]],
  [
    "v1",
    "Pod",
    container({ volumeMounts: [{ name: "v", mountPath: "/v" }] }),
    ['spec.containers[0].volumeMounts[0].name: Not found: "v"'],
  ],
  [
    "v1",
    "Pod",
    container({ env: [{ name: "A", value: "b", valueFrom: { secretKeyRef: { name: "s", key: "k" } } }] }),
    ['spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
  ],
  [
    "v1",
    "Pod",
    container({ env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "spec.foo" } } }] }),
    [
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.foo": error converting fieldPath: field label not supported: spec.foo',
    ],
  ],
  [
    "v1",
    "Pod",
    container({ resources: { requests: { cpu: "2" }, limits: { cpu: "1" } } }),
    ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
  ],
  [
    "v1",
    "Pod",
    container({ resources: { requests: { cpu: "-1" } } }),
    ['spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
  ],
  [
    "v1",
    "Pod",
    container({ resources: { requests: { foo: "1" } } }),
    [
      'spec.containers[0].resources.requests[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
    ],
  ],
  [
    "v1",
    "Pod",
    container({ livenessProbe: {} }),
    ["spec.containers[0].livenessProbe: Required value: must specify a handler type"],
  ],
  [
    "v1",
    "Pod",
    container({ livenessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 } }),
    ["spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"],
  ],
  [
    "v1",
    "Pod",
    container({ securityContext: { privileged: true, allowPrivilegeEscalation: false } }),
    [
      'spec.containers[0].securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
    ],
  ],
  [
    "v1",
    "Pod",
    pod({ volumes: [{ name: "v", emptyDir: {}, hostPath: { path: "/" } }] }),
    ["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
  ],
  [
    "v1",
    "Pod",
    pod({ volumes: [{ name: "v", hostPath: { path: "/a/../b" } }] }),
    ["spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"],
  ],
  ["v1", "Pod", pod({ volumes: [{ name: "v", secret: {} }] }), ["spec.volumes[0].secret.secretName: Required value"]],
  [
    "v1",
    "Pod",
    pod({ volumes: [{ name: "v", gitRepo: { repository: "x" } }] }),
    ["spec.volumes[0].gitRepo: Forbidden: gitRepo volumes are not supported: clone in an init container instead"],
  ],
  [
    "v1",
    "Pod",
    pod({ tolerations: [{ key: "a", operator: "Exists", value: "b" }] }),
    [
      'spec.tolerations[0].operator: Invalid value: {"key":"a","operator":"Exists","value":"b"}: value must be empty when `operator` is \'Exists\'',
    ],
  ],
  [
    "v1",
    "Pod",
    pod({ nodeSelector: { "a/b/c": "x" } }),
    [
      "spec.nodeSelector: Invalid value: \"a/b/c\": a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
    ],
  ],
  [
    "v1",
    "Pod",
    pod({ activeDeadlineSeconds: 0 }),
    ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
  ],
  [
    "v1",
    "Pod",
    pod({ dnsPolicy: "None" }),
    ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
  ],
  [
    "v1",
    "Pod",
    pod({ initContainers: [{ name: "i", image: "x", readinessProbe: { tcpSocket: { port: 1 } } }] }),
    [
      "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
    ],
  ],
  [
    "v1",
    "Pod",
    { metadata: { namespace: "default" }, spec: { containers: [C] } },
    ["metadata.name: Required value: name or generateName is required"],
  ],
  [
    "v1",
    "Pod",
    { metadata: { name: "x", namespace: "default", labels: { "-a": "b" } }, spec: { containers: [C] } },
    [
      "metadata.labels: Invalid value: \"-a\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ],
  ],
  [
    "v1",
    "Pod",
    { metadata: { name: "x", namespace: "default", finalizers: ["foo"] }, spec: { containers: [C] } },
    ['metadata.finalizers: Invalid value: "foo": name is neither a standard finalizer name nor is it fully qualified'],
  ],
  ["apps/v1", "Deployment", { spec: { template } }, ["spec.selector: Required value"]],
  [
    "apps/v1",
    "Deployment",
    { spec: { selector: { matchLabels: { app: "y" } }, template } },
    ['spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`'],
  ],
  [
    "apps/v1",
    "Deployment",
    { spec: { replicas: -1, selector, template } },
    ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
  ],
  [
    "apps/v1",
    "Deployment",
    { spec: { selector, template: { ...template, spec: { ...template.spec, restartPolicy: "Never" } } } },
    ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
  ],
  [
    "apps/v1",
    "Deployment",
    { spec: { selector, template, strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } } },
    ["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"],
  ],
  [
    "apps/v1",
    "Deployment",
    { spec: { selector, template, strategy: { type: "Recreate", rollingUpdate: {} } } },
    ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
  ],
  ["v1", "Service", { spec: {} }, ["spec.ports: Required value"]],
  [
    "v1",
    "Service",
    { metadata: { name: "1x", namespace: "default" }, spec: { ports: [{ port: 80 }] } },
    [
      "metadata.name: Invalid value: \"1x\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    ],
  ],
  [
    "v1",
    "Service",
    { spec: { ports: [{ port: 80 }, { port: 81 }] } },
    ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"],
  ],
  [
    "v1",
    "Service",
    { spec: { ports: [{ port: 80, nodePort: 30000 }] } },
    ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
  ],
  [
    "v1",
    "Service",
    { spec: { type: "Foo", ports: [{ port: 80 }] } },
    ['spec.type: Unsupported value: "Foo": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'],
  ],
  [
    "v1",
    "Service",
    {
      spec: {
        ports: [
          { name: "a", port: 80 },
          { name: "b", port: 80 },
        ],
      },
    },
    ['spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}'],
  ],
  [
    "v1",
    "ConfigMap",
    { data: { "a/b": "c" } },
    [
      "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    ],
  ],
  [
    "v1",
    "ConfigMap",
    { data: { a: "x".repeat(1024 * 1024 + 1) } },
    ["[]: Too long: may not be more than 1048576 bytes"],
  ],
  ["v1", "Secret", { type: "kubernetes.io/tls" }, ["data[tls.crt]: Required value", "data[tls.key]: Required value"]],
  [
    "v1",
    "Node",
    { spec: { taints: [{ key: "a", effect: "No" }] } },
    ['spec.taints[0].effect: Unsupported value: "No": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'],
  ],
  [
    "batch/v1",
    "Job",
    { spec: { selector, template } },
    ['spec.template.spec.restartPolicy: Unsupported value: "Always": supported values: "OnFailure", "Never"'],
  ],
  [
    "batch/v1",
    "CronJob",
    {
      spec: {
        schedule: "61 * * * *",
        jobTemplate: { spec: { template: { spec: { ...template.spec, restartPolicy: "Never" } } } },
      },
    },
    ['spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61'],
  ],
  [
    "v1",
    "PersistentVolumeClaim",
    { spec: { accessModes: ["ReadWriteOnce"] } },
    ["spec.resources[storage]: Required value"],
  ],
  [
    "rbac.authorization.k8s.io/v1",
    "Role",
    { rules: [{}] },
    [
      "rules[0].verbs: Required value: verbs must contain at least one value",
      "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
      "rules[0].resources: Required value: resource rules must supply at least one resource",
    ],
  ],
  [
    "v1",
    "LimitRange",
    {
      spec: {
        limits: [
          {
            type: "Container",
            max: { cpu: "1" },
            min: { cpu: "2" },
            default: { cpu: "1" },
            defaultRequest: { cpu: "1" },
          },
        ],
      },
    },
    [
      'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than defaultRequest value 1',
      'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
      'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
    ],
  ],
  [
    "v1",
    "Event",
    { metadata: { name: "e", namespace: "other" }, involvedObject: { kind: "Pod", namespace: "default" } },
    ['involvedObject.namespace: Invalid value: "default": does not match event.namespace'],
  ],
  [
    "scheduling.k8s.io/v1",
    "PriorityClass",
    { value: 2_000_000_000 },
    ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
  ],
];

for (const [apiVersion, kind, document, wanted] of BAD) {
  test(`${kind}: ${(wanted[0] ?? "").slice(0, 110)}`, () =>
    assert.deepEqual(problems(apiVersion, kind, document), wanted));
}
