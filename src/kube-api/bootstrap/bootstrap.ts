import { isGantryError } from "#base/errors.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import type { Api } from "../api.ts";
import { systemContext } from "../context.ts";
import { readObject } from "../registry/input.ts";
import { create } from "../verbs/create.ts";
import { find } from "../verbs/get.ts";
import { update } from "../verbs/update.ts";
import { apiServerObjects, type Advertised } from "./api-service.ts";
import { bootstrapObjects, type BootstrapObject } from "./objects.ts";

/** Makes what is missing. What is there already stays as it is: it may have been changed on purpose. */
export async function bootstrap(api: Api, serviceCidr: string): Promise<void> {
  const [namespaces, others] = partition(bootstrapObjects(), ({ resource }) => resource === "namespaces");
  await Promise.all(namespaces.map((one) => ensure(api, one)));
  await Promise.all([...others, ...apiServerObjects(serviceCidr).objects].map((one) => ensure(api, one)));
}

/** Makes the `kubernetes` service lead to where the API server listens. */
export async function advertise(api: Api, serviceCidr: string, advertised: Advertised): Promise<void> {
  await Promise.all(apiServerObjects(serviceCidr, advertised).endpoints.map((one) => put(api, one)));
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [items.filter(test), items.filter((item) => !test(item))];
}

async function ensure(api: Api, one: BootstrapObject): Promise<void> {
  const definition = api.resources.expect(one.group, one.version, one.resource);
  if (await find(api, definition, one.namespace, one.object.metadata.name ?? "")) return;
  await make(api, one).catch((error: unknown) => {
    if (!isGantryError(error, "already-exists")) throw error;
  });
}

async function make(api: Api, { group, version, resource, namespace, object }: BootstrapObject): Promise<void> {
  const definition = api.resources.expect(group, version, resource);
  const context = systemContext();
  await create(api, context, definition, namespace, readObject(context, definition, { value: object }, "Ignore"));
}

async function put(api: Api, one: BootstrapObject): Promise<void> {
  const definition = api.resources.expect(one.group, one.version, one.resource);
  const name = one.object.metadata.name ?? "";
  if (!(await find(api, definition, one.namespace, name))) return make(api, one);
  const context = systemContext();
  const wanted = (): KubeObject => readObject(context, definition, { value: one.object }, "Ignore");
  await update(api, context, { definition, namespace: one.namespace, name, subresource: "" }, wanted);
}
