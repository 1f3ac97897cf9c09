import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { LoadBalancerIngress, Node, Service } from "#formats/kube-types.generated.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { semanticEqual } from "../shared/semantic-equal.ts";

/** The class of services that this controller serves besides those without a class. */
const CLASS = "gantry.dev/node-address";

/**
 * Gives services of type LoadBalancer the addresses of the nodes: the service proxy answers there on the service's own ports. A service of another
 * loadBalancerClass is another controller's.
 */
export function loadBalancerController(context: ControllerContext): Controller {
  const services = informerOf(context, RESOURCES.services);
  const nodes = informerOf(context, RESOURCES.nodes);
  const balanced = (): string[] =>
    Array.from(services.cache.values())
      .filter((service) => service.spec?.type === "LoadBalancer")
      .map(objectKey);
  const events = context.events("service-controller");
  return controller(context, {
    name: "service-lb-controller",
    async reconcile(key) {
      const service = services.cache.get(key);
      if (!service || !isOurs(service)) return;
      const wanted = service.spec?.type === "LoadBalancer" ? addresses(service, Array.from(nodes.cache.values())) : [];
      const present = service.status?.loadBalancer?.ingress ?? [];
      if (semanticEqual(wanted, present)) return;
      const loadBalancer = wanted.length > 0 ? { ingress: wanted } : {};
      await context.client.update(
        RESOURCES.services,
        { ...service, status: { ...service.status, loadBalancer } },
        "status",
      );
      if (wanted.length > 0) events.record(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer");
    },
    allKeys: balanced,
    watch: (queue) => [
      enqueueFrom(services, queue, (service) => [objectKey(service)]),
      enqueueFrom(
        nodes,
        queue,
        balanced,
        (before, after) => !semanticEqual(before.status?.addresses, after.status?.addresses),
      ),
    ],
  });
}

function isOurs({ spec }: Service): boolean {
  return spec?.loadBalancerClass === undefined || spec.loadBalancerClass === CLASS;
}

/** External addresses where there are any, otherwise internal ones, of the service's families. */
function addresses({ spec }: Service, nodes: readonly Node[]): LoadBalancerIngress[] {
  const families = spec?.ipFamilies ?? ["IPv4"];
  const of = (type: string): string[] =>
    nodes
      .filter((node) => node.metadata.labels?.["node.kubernetes.io/exclude-from-external-load-balancers"] === undefined)
      .flatMap((node) => node.status?.addresses ?? [])
      .filter((each) => each.type === type && families.includes(each.address.includes(":") ? "IPv6" : "IPv4"))
      .map(({ address }) => address);
  const external = of("ExternalIP");
  const found = Array.from(new Set(external.length > 0 ? external : of("InternalIP"))).sort();
  return found.map((ip) => ({ ip, ipMode: "VIP" }));
}
