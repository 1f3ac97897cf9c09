/** The networks of several hosts as one: those of this machine, and of the nodes on it that have a network namespace each. */
import { GantryError } from "#base/errors.ts";
import type { Networks } from "./networks.ts";

export interface JoinedNetworks extends Networks {
  /** Adds those of one more host. `owner`: what of it is plugged into this machine's own networks, and lives as long as it is here. */
  join(owner: string, networks: Networks): void;
  /** Takes them out again, to be closed by whoever added them. */
  part(owner: string): Networks | undefined;
}

/** New networks are made on this machine; everything else goes to the host that has the network. Names and ids are looked for in order. */
export function joinedNetworks(own: Networks): JoinedNetworks {
  const others = new Map<string, Networks>();
  const all = (): Networks[] => [own, ...others.values()];
  const having = (reference: string): Networks =>
    all().find((networks) => networks.find(reference) !== undefined) ?? own;
  return {
    join(owner, networks) {
      if (others.has(owner)) throw new GantryError("already-exists", `the networks of ${owner} are joined already`);
      others.set(owner, networks);
    },
    part(owner) {
      const found = others.get(owner);
      others.delete(owner);
      return found;
    },
    create: (config) => own.create(config),
    remove: (id) => having(id).remove(id),
    list: () => all().flatMap((networks) => networks.list()),
    find: (reference) => having(reference).find(reference),
    attach: (request) => having(request.networkId).attach(request),
    detach: (owner, networkId, options) => having(networkId).detach(owner, networkId, options),
    route: (owner, order) => all().forEach((networks) => networks.route(owner, order)),
    rename: (owner, name) => all().forEach((networks) => networks.rename(owner, name)),
    endpoints: (filter) => all().flatMap((networks) => networks.endpoints(filter)),
    setCut: (owner, isCut) => own.setCut(owner, isCut),
    async reconcile(liveOwners) {
      const alive = new Set([...liveOwners, ...others.keys()]);
      await Promise.all(all().map((networks) => networks.reconcile(alive)));
    },
    async close() {
      for (const networks of all().toReversed()) await networks.close();
    },
    async dismantle() {
      for (const networks of all().toReversed()) await networks.dismantle();
    },
  };
}
