import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { ImageStore } from "#images/image-store.ts";
import { openImages, type ImagesOptions } from "#images/open-images.ts";
import { createRegistry, type Registry, type RegistryOptions } from "#registry/create-registry.ts";
import { withFolder } from "./image-lab.ts";

/** A step between a client and the registry: it may answer itself, or let the request through. */
export type Interceptor = (
  request: IncomingMessage,
  response: ServerResponse,
  next: () => Promise<void>,
) => Promise<void> | void;

export interface RegistryLab {
  /** `localhost:<port>`. */
  readonly host: string;
  readonly url: string;
  readonly registry: Registry;
  /** The registry's own store. */
  readonly store: ImageStore;
  /** A store of a client. */
  readonly images: ImageStore;
  /** `METHOD /path` of each request so far. */
  readonly requests: string[];
  /** A further store. */
  open(options?: Partial<ImagesOptions>): Promise<ImageStore>;
  intercept(interceptor: Interceptor | undefined): void;
}

/** A registry on a port of its own, and a client's image store. */
export function withRegistry<T>(
  use: (lab: RegistryLab) => Promise<T>,
  options: Partial<RegistryOptions> = {},
): Promise<T> {
  return withFolder(async (folder) => {
    const stores: ImageStore[] = [];
    const open = async (more: Partial<ImagesOptions> = {}): Promise<ImageStore> => {
      const images = await openImages({
        workers: 4,
        registries: { retryDelayMs: 10 },
        dataDir: join(folder, String(stores.length)),
        ...more,
      });
      stores.push(images);
      return images;
    };
    const store = await open();
    const registry = await createRegistry(store, { stateDir: join(folder, "registry"), ...options });
    let interceptor: Interceptor | undefined;
    const requests: string[] = [];
    const server = http.createServer((request, response) => {
      requests.push(`${request.method} ${request.url}`);
      const next = (): Promise<void> => registry.handle(request, response);
      void (interceptor ? interceptor(request, response, next) : next());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const host = `localhost:${port}`;
    try {
      const images = await open();
      return await use({
        host,
        url: `http://127.0.0.1:${port}`,
        registry,
        store,
        images,
        requests,
        open,
        intercept: (one) => (interceptor = one),
      });
    } finally {
      server.closeAllConnections();
      server.close();
      await registry.close();
      for (const images of stores) await images.close();
    }
  });
}
