import type { Clock } from "#base/clock.ts";
import type { Logger } from "#base/logger.ts";
import type { KeyedSerial } from "#base/serial.ts";
import type { Signal } from "#base/signal.ts";
import type { Platform } from "#formats/image-config.ts";
import type { ContentStore } from "../content-store.ts";
import type { ImageEvent, ImageUser } from "../image-store.ts";
import type { LayerStore } from "../layers/layer-store.ts";
import type { Snapshots } from "../layers/snapshots.ts";
import type { RegistryOptions } from "../registry-options.ts";
import type { ImageRecords } from "../records/image-records.ts";
import type { WorkerPool } from "../worker/pool.ts";
import type { Semaphore } from "./semaphore.ts";

/** What the operations on images share. */
export interface Context {
  readonly content: ContentStore;
  readonly layers: LayerStore;
  readonly snapshots: Snapshots;
  readonly records: ImageRecords;
  readonly pool: WorkerPool;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: Signal<ImageEvent>;
  readonly users: (imageId: string) => readonly ImageUser[];
  /** Operations on one chain of layers take turns, so that they do not do the same work twice. */
  readonly chains: KeyedSerial;
  readonly host: Platform;
  readonly registries: Registries;
}

/** How registries are spoken to. */
export interface Registries extends RegistryOptions {
  /** Before a transfer that broke off is taken up again; longer each time. */
  readonly retryDelayMs: number;
  /** At a time, of all pulls and all pushes: moby's max-concurrent-downloads and -uploads. */
  readonly downloads: Semaphore;
  readonly uploads: Semaphore;
}

/** Tells what happened to an image; `name` as Docker has it: a familiar reference, or the id. */
export function tell(context: Context, action: ImageEvent["action"], id: string, name: string): void {
  const labels = context.records.image(id)?.config.config?.Labels ?? {};
  context.events.emit({ action, id, name, labels: { ...labels } });
}
