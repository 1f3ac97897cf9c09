// Tokens that a node joins with: secrets of kube-system (k8s.io/kubernetes plugin/pkg/auth/authenticator/token/bootstrap).
import { timingSafeEqual } from "node:crypto";
import type { Clock } from "#base/clock.ts";
import type { Secret } from "#formats/kube-types.generated.ts";
import type { User } from "../context.ts";
import type { Lookup } from "./tokens.ts";

const TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const NAMESPACE = "kube-system";
const SECRET_TYPE = "bootstrap.kubernetes.io/token";
const GROUP = "system:bootstrappers";
const EXTRA_GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/** The user of a bootstrap token; undefined for any other token, and for one that is wrong, of no use here, or over. */
export type BootstrapTokens = (token: string) => Promise<User | undefined>;

export function bootstrapTokens(lookup: Lookup, clock: Clock): BootstrapTokens {
  return async (token) => {
    const [, id, secret] = TOKEN.exec(token) ?? [];
    if (!id || !secret) return undefined;
    const found = (await lookup("secrets", NAMESPACE, `bootstrap-token-${id}`)) as Secret | undefined;
    if (!found || found.type !== SECRET_TYPE || found.metadata?.deletionTimestamp) return undefined;
    const field = (name: string): string => Buffer.from(found.data?.[name] ?? "", "base64").toString();
    if (!isSame(field("token-secret"), secret) || field("token-id") !== id) return undefined;
    if (field("usage-bootstrap-authentication") !== "true" || isOver(field("expiration"), clock.now()))
      return undefined;
    const extra = field("auth-extra-groups");
    const groups = extra === "" ? [] : Array.from(new Set(extra.split(",").map((group) => group.trim())));
    if (!groups.every((group) => EXTRA_GROUP.test(group))) return undefined;
    return { name: `system:bootstrap:${id}`, groups: [GROUP, ...groups.toSorted(), "system:authenticated"] };
  };
}

function isSame(known: string, given: string): boolean {
  return known.length === given.length && timingSafeEqual(Buffer.from(known), Buffer.from(given));
}

/** A time that cannot be read is over. */
function isOver(expiration: string, nowMs: number): boolean {
  return expiration !== "" && !(Date.parse(expiration) > nowMs);
}
