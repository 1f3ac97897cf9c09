// OpenAPI documents of the served resources: version 3, one for each group version, and version 2, one for all.
// Good for `kubectl explain`, for clients that look for field validation and patch types, and for code generators.
import { kindSchema } from "./kube-schema.ts";
import { componentName, customComponent, newComponents, type Dialect } from "./openapi/components.ts";
import { resourcePaths } from "./openapi/paths.ts";

/** A resource that is served, as discovery knows it. */
export interface ServedResource {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly subresources: ReadonlyMap<string, ServedSubresource>;
  /** A custom resource's schema (`openAPIV3Schema`); absent for built-in kinds. */
  readonly openApiSchema?: object;
}

export interface ServedSubresource {
  readonly name: string;
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly string[];
}

/** What types and fields mean, by OpenAPI name. */
export interface Descriptions {
  readonly texts: readonly string[];
  /** The type's text and its fields' texts, as places in `texts`; -1 when it has none. */
  readonly types: Readonly<Record<string, readonly [type: number, fields: Readonly<Record<string, number>>]>>;
}

let loaded: Promise<Descriptions> | undefined;

/** The descriptions of the built-in types. Half a megabyte of text, read when it is first asked for. */
export function loadDescriptions(): Promise<Descriptions> {
  loaded ??= import("./openapi/descriptions.generated.ts").then(
    ({ DESCRIPTIONS_JSON }) => JSON.parse(DESCRIPTIONS_JSON) as Descriptions,
  );
  return loaded;
}

/** The document at `/openapi/v3/apis/GROUP/VERSION`; `resources` are that group version's. */
export function openApiV3(
  resources: readonly ServedResource[],
  serverVersion: string,
  descriptions: Descriptions,
): object {
  const { components, paths } = build(resources, 3, descriptions);
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: serverVersion },
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        BearerToken: {
          type: "apiKey",
          description: "Bearer Token authentication",
          name: "authorization",
          in: "header",
        },
      },
    },
  };
}

/** The document at `/openapi/v2`. */
export function openApiV2(
  resources: readonly ServedResource[],
  serverVersion: string,
  descriptions: Descriptions,
): object {
  const { components, paths } = build(resources, 2, descriptions);
  return {
    swagger: "2.0",
    info: { title: "Kubernetes", version: serverVersion },
    paths,
    definitions: components,
    securityDefinitions: {
      BearerToken: { description: "Bearer Token authentication", type: "apiKey", name: "authorization", in: "header" },
    },
    security: [{ BearerToken: [] }],
  };
}

/** The paths of all group versions that have a document, as `/openapi/v3` lists them. `hashOf` changes when the document does. */
export function openApiV3Index(resources: readonly ServedResource[], hashOf: (path: string) => string): object {
  const paths: Record<string, { serverRelativeURL: string }> = {};
  for (const { group, version } of resources) {
    const path = group === "" ? `api/${version}` : `apis/${group}/${version}`;
    paths[path] ??= { serverRelativeURL: `/openapi/v3/${path}?hash=${hashOf(path)}` };
  }
  return { paths };
}

function build(
  resources: readonly ServedResource[],
  dialect: Dialect,
  descriptions: Descriptions,
): { components: object; paths: object } {
  const components = newComponents(dialect, descriptions);
  const paths: Record<string, object> = {};
  for (const resource of resources) {
    const list = { ...resource, kind: `${resource.kind}List` };
    const schema = kindSchema(resource);
    if (resource.openApiSchema) {
      components.add(componentName(resource), customComponent(resource, resource.openApiSchema));
      components.addList(resource);
    } else if (schema) components.reach(schema);
    const listSchema = kindSchema(list);
    if (listSchema && !resource.openApiSchema) components.reach(listSchema);
    Object.assign(paths, resourcePaths(resource, components, dialect));
  }
  components.reachShared();
  return { components: components.all(), paths };
}
