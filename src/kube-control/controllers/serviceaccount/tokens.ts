import { isGantryError } from "#base/errors.ts";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Secret, ServiceAccount } from "#formats/kube-types.generated.ts";
import type { Informer } from "#kube-client/informer.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";

const TYPE = "kubernetes.io/service-account-token";
const ACCOUNT_NAME = "kubernetes.io/service-account.name";
const ACCOUNT_UID = "kubernetes.io/service-account.uid";
const BY_ACCOUNT = "token-secret-by-account";
/** Tokens of secrets live as long as their secret: as long as a token can be asked for. */
const LIFETIME_SECONDS = 2 ** 32;

interface Parts {
  readonly context: ControllerContext;
  readonly secrets: Informer<Secret>;
  readonly accounts: Informer<ServiceAccount>;
  readonly rootCa: string | undefined;
}

/**
 * Fills secrets of the type `kubernetes.io/service-account-token` with a token of the account that their annotation names, and removes those of
 * accounts that are no more. Tokens are bound to their secret: without it they are worth nothing.
 */
export function serviceAccountTokens(context: ControllerContext, rootCa: string | undefined): Controller {
  const secrets = informerOf(context, RESOURCES.secrets);
  const accounts = informerOf(context, RESOURCES.serviceaccounts);
  secrets.addIndex(BY_ACCOUNT, (secret) => accountKey(secret) ?? []);
  const parts: Parts = { context, secrets, accounts, rootCa };
  const ofAccount = (account: ServiceAccount): string[] =>
    Array.from(secrets.cache.byIndex(BY_ACCOUNT, objectKey(account)), objectKey);
  return controller(context, {
    name: "serviceaccount-token-controller",
    reconcile: (key) => reconcile(parts, key),
    allKeys: () =>
      Array.from(secrets.cache.values())
        .filter(({ type }) => type === TYPE)
        .map(objectKey),
    watch: (queue) => [
      enqueueFrom(secrets, queue, (secret) => (secret.type === TYPE ? [objectKey(secret)] : [])),
      enqueueFrom(accounts, queue, ofAccount, (before, after) => before.metadata.uid !== after.metadata.uid),
    ],
  });
}

function accountKey({ type, metadata }: Secret): string[] | undefined {
  const name = metadata.annotations?.[ACCOUNT_NAME];
  return type === TYPE && name ? [`${metadata.namespace ?? ""}/${name}`] : undefined;
}

async function reconcile({ context, secrets, accounts, rootCa }: Parts, key: string): Promise<void> {
  const secret = secrets.cache.get(key);
  const [owner] = (secret && accountKey(secret)) ?? [];
  if (!secret || secret.metadata.deletionTimestamp || owner === undefined) return;
  const account = accounts.cache.get(owner) ?? (await liveAccount(context, owner));
  const uid = secret.metadata.annotations?.[ACCOUNT_UID];
  if (!account || (uid && uid !== account.metadata.uid)) return remove(context, secret);
  const wanted = {
    namespace: encoded(secret.metadata.namespace ?? ""),
    ...(rootCa === undefined ? {} : { "ca.crt": encoded(rootCa) }),
  };
  const { data = {} } = secret;
  const whole = Boolean(data["token"]) && uid && Object.entries(wanted).every(([name, value]) => data[name] === value);
  if (whole) return;
  const token = data["token"] || encoded(await issue(context, secret, account));
  const annotations = { ...secret.metadata.annotations, [ACCOUNT_UID]: account.metadata.uid ?? "" };
  const filled = { ...secret, metadata: { ...secret.metadata, annotations }, data: { ...data, ...wanted, token } };
  await context.client.update(RESOURCES.secrets, filled);
}

function encoded(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** The cache may be behind: nothing is removed before the API says so itself. */
async function liveAccount({ client }: ControllerContext, key: string): Promise<ServiceAccount | undefined> {
  const [namespace, name = ""] = key.split("/");
  try {
    return await client.get(RESOURCES.serviceaccounts, namespace, name);
  } catch (error) {
    if (isGantryError(error, "not-found")) return undefined;
    throw error;
  }
}

async function remove({ client }: ControllerContext, { metadata }: Secret): Promise<void> {
  const { namespace, name = "", uid } = metadata;
  try {
    await client.delete(RESOURCES.secrets, namespace, name, uid === undefined ? {} : { preconditions: { uid } });
  } catch (error) {
    if (!isGantryError(error, "not-found")) throw error;
  }
}

async function issue({ client }: ControllerContext, secret: Secret, account: ServiceAccount): Promise<string> {
  const { name, namespace, uid } = secret.metadata;
  const request = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: {
      expirationSeconds: LIFETIME_SECONDS,
      boundObjectRef: { kind: "Secret", apiVersion: "v1", name, uid },
    },
  };
  const answer = await client.post(RESOURCES.serviceaccounts, namespace, account.metadata.name ?? "", "token", request);
  return (answer as { status?: { token?: string } }).status?.token ?? "";
}
