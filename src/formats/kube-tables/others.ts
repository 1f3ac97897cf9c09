import type {
  CertificateSigningRequest,
  ClusterRole,
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  Ingress,
  IngressClass,
  IPAddress,
  Lease,
  MutatingAdmissionPolicy,
  MutatingWebhookConfiguration,
  NetworkPolicy,
  PriorityClass,
  RoleBinding,
  RuntimeClass,
  ServiceCIDR,
  StorageClass,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  VolumeAttachment,
  VolumeAttributesClass,
} from "../kube-types.generated.ts";
import type { KubeObject } from "../kube-object.ts";
import { age, columns, humanDuration, listText, NONE, selectorText, UNSET, type KubeTable } from "./cells.ts";
import { balancerText } from "./core.ts";

/** Kinds without columns of their own. */
export const plain: KubeTable = {
  columns: columns("Name", "Created At:date"),
  cells: ({ metadata }: KubeObject) => [metadata.name ?? "", metadata.creationTimestamp ?? null],
};

export const namedOnly: KubeTable = {
  columns: columns("Name", "Age"),
  cells: (object: KubeObject, now) => [object.metadata.name ?? "", age(object, now)],
};

export const ingresses: KubeTable = {
  columns: columns("Name", "Class", "Hosts", "Address", "Ports", "Age"),
  cells: (object: Ingress, now) => {
    const { spec, status, metadata } = object;
    const hosts = (spec?.rules ?? []).map(({ host }) => host ?? "").filter((host) => host !== "");
    return [
      metadata.name ?? "",
      spec?.ingressClassName ?? NONE,
      listText(hosts, 3, "*"),
      balancerText(status?.loadBalancer?.ingress),
      spec?.tls?.length ? "80, 443" : "80",
      age(object, now),
    ];
  },
};

export const ingressClasses: KubeTable = {
  columns: columns("Name", "Controller", "Parameters", "Age"),
  cells: (object: IngressClass, now) => {
    const parameters = object.spec?.parameters;
    const group = parameters?.apiGroup ? `.${parameters.apiGroup}` : "";
    const text = parameters ? `${parameters.kind}${group}/${parameters.name}` : NONE;
    return [object.metadata.name ?? "", object.spec?.controller ?? "", text, age(object, now)];
  },
};

export const networkPolicies: KubeTable = {
  columns: columns("Name", "Pod-Selector", "Age"),
  cells: (object: NetworkPolicy, now) => [
    object.metadata.name ?? "",
    selectorText(object.spec?.podSelector),
    age(object, now),
  ],
};

/** Roles show when they were made, not how long ago. */
export const roles: KubeTable = {
  columns: columns("Name", "Created At:date"),
  cells: ({ metadata }: ClusterRole) => [metadata.name ?? "", metadata.creationTimestamp ?? null],
};

export const roleBindings: KubeTable = {
  columns: columns("Name", "Role", "Age", "+Users", "+Groups", "+ServiceAccounts"),
  cells: (object: RoleBinding, now) => {
    const names = (kind: string): string =>
      (object.subjects ?? [])
        .filter((subject) => subject.kind === kind)
        .map(({ name, namespace }) => (kind === "ServiceAccount" ? `${namespace ?? ""}/${name}` : name))
        .join(", ");
    return [
      object.metadata.name ?? "",
      `${object.roleRef.kind}/${object.roleRef.name}`,
      age(object, now),
      names("User"),
      names("Group"),
      names("ServiceAccount"),
    ];
  },
};

export const signingRequests: KubeTable = {
  columns: columns("Name", "Age", "SignerName", "Requestor", "RequestedDuration", "Condition"),
  cells: (object: CertificateSigningRequest, now) => {
    const { spec, status, metadata } = object;
    const has = (type: string): boolean => status?.conditions?.some((condition) => condition.type === type) ?? false;
    const states = ["Approved", "Denied", "Failed"].filter(has);
    const text = [states.join(",") || "Pending", ...(status?.certificate ? ["Issued"] : [])].join(",");
    const seconds = spec?.expirationSeconds;
    return [
      metadata.name ?? "",
      age(object, now),
      spec?.signerName ?? "",
      spec?.username ?? "",
      seconds === undefined ? NONE : humanDuration(seconds * 1000),
      text,
    ];
  },
};

export const leases: KubeTable = {
  columns: columns("Name", "Holder", "Age"),
  cells: (object: Lease, now) => [object.metadata.name ?? "", object.spec?.holderIdentity ?? "", age(object, now)],
};

export const storageClasses: KubeTable = {
  columns: columns("Name", "Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion", "Age"),
  cells: (object: StorageClass, now) => {
    const { metadata } = object;
    const isDefault = [
      "storageclass.kubernetes.io/is-default-class",
      "storageclass.beta.kubernetes.io/is-default-class",
    ].some((key) => metadata.annotations?.[key] === "true");
    return [
      `${metadata.name ?? ""}${isDefault ? " (default)" : ""}`,
      object.provisioner,
      object.reclaimPolicy ?? "Delete",
      object.volumeBindingMode ?? "Immediate",
      object.allowVolumeExpansion ?? false,
      age(object, now),
    ];
  },
};

export const volumeAttributesClasses: KubeTable = {
  columns: columns("Name", "DriverName", "Age"),
  cells: (object: VolumeAttributesClass, now) => [object.metadata.name ?? "", object.driverName, age(object, now)],
};

export const volumeAttachments: KubeTable = {
  columns: columns("Name", "Attacher", "PV", "Node", "Attached:boolean", "Age"),
  cells: (object: VolumeAttachment, now) => {
    const { spec, status, metadata } = object;
    return [
      metadata.name ?? "",
      spec?.attacher ?? "",
      spec?.source.persistentVolumeName ?? "",
      spec?.nodeName ?? "",
      status?.attached ?? false,
      age(object, now),
    ];
  },
};

export const csiNodes: KubeTable = {
  columns: columns("Name", "Drivers:integer", "Age"),
  cells: (object: CSINode, now) => [object.metadata.name ?? "", object.spec?.drivers?.length ?? 0, age(object, now)],
};

export const csiDrivers: KubeTable = {
  columns: columns(
    "Name",
    "AttachRequired:boolean",
    "PodInfoOnMount:boolean",
    "StorageCapacity:boolean",
    "TokenRequests",
    "RequiresRepublish:boolean",
    "Modes",
    "Age",
  ),
  cells: (object: CSIDriver, now) => {
    const { spec, metadata } = object;
    const tokens = (spec?.tokenRequests ?? []).map(({ audience }) => audience).join(",");
    return [
      metadata.name ?? "",
      spec?.attachRequired ?? true,
      spec?.podInfoOnMount ?? false,
      spec?.storageCapacity ?? false,
      tokens || UNSET,
      spec?.requiresRepublish ?? false,
      spec?.volumeLifecycleModes?.join(",") || NONE,
      age(object, now),
    ];
  },
};

export const csiStorageCapacities: KubeTable = {
  columns: columns("Name", "StorageClassName", "Capacity"),
  cells: (object: CSIStorageCapacity) => [
    object.metadata.name ?? "",
    object.storageClassName,
    object.capacity ?? UNSET,
  ],
};

export const priorityClasses: KubeTable = {
  columns: columns("Name", "Value:integer", "Global-Default:boolean", "Age", "PreemptionPolicy"),
  cells: (object: PriorityClass, now) => [
    object.metadata.name ?? "",
    object.value ?? 0,
    object.globalDefault ?? false,
    age(object, now),
    object.preemptionPolicy ?? "",
  ],
};

export const runtimeClasses: KubeTable = {
  columns: columns("Name", "Handler", "Age"),
  cells: (object: RuntimeClass, now) => [object.metadata.name ?? "", object.handler, age(object, now)],
};

export const webhookConfigurations: KubeTable = {
  columns: columns("Name", "Webhooks:integer", "Age"),
  cells: (object: MutatingWebhookConfiguration, now) => [
    object.metadata.name ?? "",
    object.webhooks?.length ?? 0,
    age(object, now),
  ],
};

function paramKind(kind: { apiVersion?: string; kind?: string } | undefined): string {
  return kind ? `${kind.apiVersion ?? ""}/${kind.kind ?? ""}` : UNSET;
}

export const validatingPolicies: KubeTable = {
  columns: columns("Name", "Validations:integer", "ParamKind", "Age"),
  cells: (object: ValidatingAdmissionPolicy, now) => [
    object.metadata.name ?? "",
    object.spec?.validations?.length ?? 0,
    paramKind(object.spec?.paramKind),
    age(object, now),
  ],
};

export const mutatingPolicies: KubeTable = {
  columns: columns("Name", "Mutations:integer", "ParamKind", "Age"),
  cells: (object: MutatingAdmissionPolicy, now) => [
    object.metadata.name ?? "",
    object.spec?.mutations?.length ?? 0,
    paramKind(object.spec?.paramKind),
    age(object, now),
  ],
};

export const policyBindings: KubeTable = {
  columns: columns("Name", "PolicyName", "ParamRef", "Age"),
  cells: (object: ValidatingAdmissionPolicyBinding, now) => {
    const ref = object.spec?.paramRef;
    const text = !ref
      ? UNSET
      : ref.name
        ? ref.namespace
          ? `${ref.namespace}/${ref.name}`
          : `*/${ref.name}`
        : selectorText(ref.selector);
    return [object.metadata.name ?? "", object.spec?.policyName ?? "", text, age(object, now)];
  },
};

export const ipAddresses: KubeTable = {
  columns: columns("Name", "ParentRef"),
  cells: ({ metadata, spec }: IPAddress) => {
    const ref = spec?.parentRef;
    const resource = ref?.group ? `${ref.resource ?? ""}.${ref.group}` : (ref?.resource ?? "");
    return [
      metadata.name ?? "",
      ref ? [resource, ...(ref.namespace ? [ref.namespace] : []), ref.name].join("/") : NONE,
    ];
  },
};

export const serviceCidrs: KubeTable = {
  columns: columns("Name", "CIDRs", "Age"),
  cells: (object: ServiceCIDR, now) => [
    object.metadata.name ?? "",
    object.spec?.cidrs?.join(",") ?? "",
    age(object, now),
  ],
};
