import type { User } from "../context.ts";
import { forbidden, type GroupResource } from "../status.ts";

/** What someone wants to do to a resource. */
export interface ResourceAccess {
  readonly verb: string;
  readonly group: string;
  readonly version?: string;
  readonly resource: string;
  readonly subresource: string;
  /** "": all namespaces, or a cluster-scoped resource. */
  readonly namespace: string;
  /** "": all objects. */
  readonly name: string;
}

/** What someone wants to do to a path that is no resource (`/metrics`). */
export interface PathAccess {
  readonly verb: string;
  readonly path: string;
}

export type Access = ResourceAccess | PathAccess;

export interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
}

export interface Authorizer {
  authorize(user: User, access: Access): Decision;
}

/** Throws `forbidden` with Kubernetes' sentence unless the user may. */
export function requireAccess(authorizer: Authorizer, user: User, access: Access): void {
  const { allowed, reason } = authorizer.authorize(user, access);
  if (!allowed) throw accessDenied(user, access, reason);
}

export function accessDenied(user: User, access: Access, reason = ""): Error {
  const who = `User ${JSON.stringify(user.name)}`;
  const why = reason === "" ? "" : `: ${reason}`;
  if ("path" in access) {
    return forbidden(
      { group: "", resource: "" },
      "",
      `${who} cannot ${access.verb} path ${JSON.stringify(access.path)}${why}`,
    );
  }
  const { verb, group, resource, subresource, namespace, name } = access;
  const full = subresource === "" ? resource : `${resource}/${subresource}`;
  const where = namespace === "" ? "at the cluster scope" : `in the namespace ${JSON.stringify(namespace)}`;
  const about: GroupResource = { group, resource };
  return forbidden(
    about,
    name,
    `${who} cannot ${verb} resource ${JSON.stringify(full)} in API group ${JSON.stringify(group)} ${where}${why}`,
  );
}

/** Members of system:masters may do everything; others are asked of `next`. */
export function mastersFirst(next: Authorizer): Authorizer {
  const yes: Decision = { allowed: true, reason: "" };
  return {
    authorize: (user, access) => (user.groups.includes("system:masters") ? yes : next.authorize(user, access)),
  };
}
