import { errorText, GantryError } from "#base/errors.ts";
import type { Image } from "#images/image-store.ts";
import type { Container, Pod } from "#formats/kube-types.generated.ts";
import type { NodeDeps } from "../ports.ts";
import { containerEvent } from "./container-event.ts";

const FIRST_BACKOFF_MS = 10_000;
const LONGEST_BACKOFF_MS = 300_000;

/** Image pulls of one pod: policy, back-off, and what the pod's status says meanwhile. */
export interface ImagePuller {
  /** The image, or an error with `details.reason` (ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName) and, while backing off, `details.until`. */
  ensure(pod: Pod, container: Container, signal: AbortSignal): Promise<Image>;
}

/** Remembers failures of at most the pod's own images. */
export function imagePuller(deps: NodeDeps): ImagePuller {
  const { images, clock } = deps;
  const failures = new Map<string, { until: number; delayMs: number; message: string }>();
  const pull = async (pod: Pod, container: Container, signal: AbortSignal): Promise<Image> => {
    const reference = container.image ?? "";
    containerEvent(deps, pod, container, "Normal", "Pulling", `Pulling image "${reference}"`);
    const started = clock.now();
    const image = await images.pull(reference, { signal });
    deps.pulled(image.id);
    const seconds = ((clock.now() - started) / 1000).toFixed(3);
    containerEvent(
      deps,
      pod,
      container,
      "Normal",
      "Pulled",
      `Successfully pulled image "${reference}" in ${seconds}s (${seconds}s including waiting). Image size: ${image.size} bytes.`,
    );
    return image;
  };
  return {
    async ensure(pod, container, signal) {
      const reference = container.image ?? "";
      const present = images.find(reference);
      const policy = container.imagePullPolicy ?? "IfNotPresent";
      // An image that was built or loaded here has no registry to ask whether there is a newer one (decision 5).
      if (present && (policy !== "Always" || present.digests.length === 0)) {
        containerEvent(
          deps,
          pod,
          container,
          "Normal",
          "Pulled",
          `Container image "${reference}" already present on machine and can be accessed by the pod`,
        );
        return present;
      }
      if (policy === "Never") {
        const message = `Container image "${reference}" is not present with pull policy of Never`;
        containerEvent(deps, pod, container, "Warning", "ErrImageNeverPull", message);
        throw new GantryError("not-found", message, { reason: "ErrImageNeverPull" });
      }
      const failure = failures.get(reference);
      if (failure && failure.until > clock.now()) {
        containerEvent(deps, pod, container, "Normal", "BackOff", `Back-off pulling image "${reference}"`);
        throw new GantryError("unavailable", `Back-off pulling image "${reference}": ${failure.message}`, {
          reason: "ImagePullBackOff",
          until: failure.until,
        });
      }
      try {
        const image = await pull(pod, container, signal);
        failures.delete(reference);
        return image;
      } catch (error) {
        const delayMs = failure ? Math.min(LONGEST_BACKOFF_MS, failure.delayMs * 2) : FIRST_BACKOFF_MS;
        const message = errorText(error);
        failures.set(reference, { until: clock.now() + delayMs, delayMs, message });
        const say = (text: string): void => containerEvent(deps, pod, container, "Warning", "Failed", text);
        say(`Failed to pull image "${reference}": ${message}`);
        say("Error: ErrImagePull");
        throw new GantryError("unavailable", message, { reason: "ErrImagePull", until: clock.now() + delayMs }, error);
      }
    },
  };
}
