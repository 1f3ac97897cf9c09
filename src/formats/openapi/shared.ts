type Json = Record<string, unknown>;

/** Types that are written as strings or numbers (k8s.io/apimachinery, OpenAPISchemaType and OpenAPIV3OneOfTypes). */
export const SHARED: Readonly<Record<string, { readonly v2: Json; readonly v3?: Json }>> = {
  "io.k8s.apimachinery.pkg.apis.meta.v1.Time": {
    v2: { type: "string", format: "date-time", description: "A point in time, in RFC 3339 form." },
  },
  "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": {
    v2: { type: "string", format: "date-time", description: "A point in time with microseconds, in RFC 3339 form." },
  },
  "io.k8s.apimachinery.pkg.api.resource.Quantity": {
    v2: {
      type: "string",
      description:
        "An amount: a decimal number with a suffix n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi or Ei, or with an exponent.",
    },
    v3: {
      oneOf: [{ type: "string" }, { type: "number" }],
      description:
        "An amount: a decimal number with a suffix n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi or Ei, or with an exponent.",
    },
  },
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {
    v2: {
      type: "string",
      format: "int-or-string",
      description: "A number, or a string such as a percentage or the name of a port.",
    },
    v3: {
      oneOf: [{ type: "integer" }, { type: "string" }],
      format: "int-or-string",
      description: "A number, or a string such as a percentage or the name of a port.",
    },
  },
  "io.k8s.apimachinery.pkg.apis.meta.v1.Patch": {
    v2: { type: "object", description: "A change to an object, in the form that the request's content type names." },
  },
};
