import type { KubeObject } from "#formats/kube-object.ts";
import type { RequestContext } from "../context.ts";
import type { ResourceDefinition } from "../resources/definition.ts";

/** One request as admission sees it, whatever its verb: create, patch, apply and subresources all pass here. */
export interface Attributes {
  readonly operation: "CREATE" | "UPDATE" | "DELETE" | "CONNECT";
  readonly definition: ResourceDefinition;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** Private to the request: plugins change it in place. undefined for DELETE. */
  readonly object: KubeObject | undefined;
  /** What is stored now. Shared: never changed. */
  readonly old: KubeObject | undefined;
  readonly context: RequestContext;
  readonly options?: object;
  /** `run` is called when the request has been decided, whichever way. */
  onDone(run: () => void): void;
}

export interface AdmissionPlugin {
  readonly name: string;
  /** Changes the object; throws to refuse. */
  admit?(attributes: Attributes): Promise<void> | void;
  /** Looks only; throws to refuse. */
  validate?(attributes: Attributes): Promise<void> | void;
}

export interface Admission {
  admit(attributes: Attributes): Promise<void>;
  validate(attributes: Attributes): Promise<void>;
}

/** Plugins run in order; the first that throws decides. */
export function admissionChain(plugins: readonly AdmissionPlugin[]): Admission {
  const admitting = plugins.filter((plugin) => plugin.admit);
  const validating = plugins.filter((plugin) => plugin.validate);
  return {
    async admit(attributes) {
      for (const plugin of admitting) {
        const pending = plugin.admit?.(attributes);
        if (pending) await pending;
      }
    },
    async validate(attributes) {
      for (const plugin of validating) {
        const pending = plugin.validate?.(attributes);
        if (pending) await pending;
      }
    },
  };
}
