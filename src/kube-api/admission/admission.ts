import { GantryError } from "#base/errors.ts";
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

/** The plugins that a list of names, `*` and `-name` turns on. Throws `invalid` for names of none. */
export function selectPlugins(plugins: readonly AdmissionPlugin[], names: readonly string[]): AdmissionPlugin[] {
  const wanted = new Set(names);
  const known = new Set(plugins.map(({ name }) => name));
  const unknown = names.find((name) => name !== "*" && !known.has(name.replace(/^-/, "")));
  if (unknown !== undefined)
    throw new GantryError("invalid", `no admission plugin is called ${unknown}: there are ${[...known].join(", ")}`);
  return plugins.filter(({ name }) => !wanted.has(`-${name}`) && (wanted.has("*") || wanted.has(name)));
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
