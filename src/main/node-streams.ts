import { GantryError } from "#base/errors.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import type { NodeStreams } from "#kube-api/node-streams.ts";

/** The streams of several nodes as those of one: each pod's are on its node. Undefined: a node that does not answer. */
export function nodeStreamsOf(streams: (nodeName: string) => NodeStreams | undefined): NodeStreams {
  const of = (pod: Pod): NodeStreams => {
    const name = pod.spec?.nodeName ?? "";
    const found = streams(name);
    if (!found)
      throw new GantryError(
        "unavailable",
        `error dialing backend: node ${name} does not answer: connect: no route to host`,
      );
    return found;
  };
  return {
    logs: async (pod, container, options) => of(pod).logs(pod, container, options),
    exec: async (pod, container, request) => of(pod).exec(pod, container, request),
    attach: async (pod, container, request) => of(pod).attach(pod, container, request),
    portForward: async (pod, port) => of(pod).portForward(pod, port),
  };
}
