/** OpenAPI documents as JSON text, made when first asked for. */
export interface OpenApi {
  /** The document at `/openapi/v2`, `/openapi/v3` or `/openapi/v3/apis/GROUP/VERSION`; undefined: no such path. */
  document(path: string): Uint8Array | undefined;
}

import type { ResourceTable } from "../resources/table.ts";

export function openApiDocuments(_resources: ResourceTable): OpenApi {
  return { document: () => undefined };
}
