// OpenAPI 2 in protobuf, as kubectl asks for it (github.com/google/gnostic-models, openapiv2/OpenAPIv2.proto): the messages that documents of
// Kubernetes need, each a table from the field's name in JSON to its number and its encoder.

interface Encoded {
  readonly wire: 0 | 1 | 2;
  readonly bytes: Buffer;
}
type Encoder = (value: unknown) => Encoded;
interface Field {
  readonly number: number;
  readonly encode: Encoder;
  /** A list's elements follow each other under the same number. */
  readonly repeated: boolean;
}
type Fields = Readonly<Record<string, Field>>;

/** The media type of `encodeOpenApiV2`'s bytes. */
export const OPENAPI_V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/** As older clients ask for it; no answer can say so, since "@" is not allowed in a media type (RFC 6838, 4.2). */
export const OPENAPI_V2_PROTOBUF_OLD = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/** An OpenAPI 2 document as the bytes of gnostic's `openapi.v2.Document`. What the message has no field for is left out. */
export function encodeOpenApiV2(document: object): Uint8Array {
  return DOCUMENT(document).bytes;
}

const one = (number: number, encode: Encoder): Field => ({ number, encode, repeated: false });
const many = (number: number, encode: Encoder): Field => ({ number, encode, repeated: true });

const string: Encoder = (value) => ({ wire: 2, bytes: Buffer.from(String(value), "utf8") });
const bool: Encoder = (value) => ({ wire: 0, bytes: varint(value === true ? 1 : 0) });
const integer: Encoder = (value) => ({ wire: 0, bytes: varint(Math.max(0, Number(value))) });
const double: Encoder = (value) => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(Number(value));
  return { wire: 1, bytes };
};
/** Any: its text as YAML, of which JSON is a part. */
const any: Encoder = (value) => wrap(2, string(JSON.stringify(value)));

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

function field(number: number, { wire, bytes }: Encoded): Buffer[] {
  const tag = varint(number * 8 + wire);
  return wire === 2 ? [tag, varint(bytes.length), bytes] : [tag, bytes];
}

/** A message with one field. */
const wrap = (number: number, encoded: Encoded): Encoded => ({ wire: 2, bytes: Buffer.concat(field(number, encoded)) });

/** `fields` is asked for late, since schemas hold schemas. `extensions` is the number of the list that takes `x-` fields. */
function message(fields: () => Fields, extensions?: number): Encoder {
  let made: Fields | undefined;
  return (value) => {
    const table = (made ??= fields());
    const parts: Buffer[] = [];
    for (const [name, member] of Object.entries(value as object)) {
      const known = Object.hasOwn(table, name) ? table[name] : undefined;
      if (known)
        for (const each of known.repeated ? asList(member) : [member])
          parts.push(...field(known.number, known.encode(each)));
      else if (extensions !== undefined && name.startsWith("x-"))
        parts.push(...field(extensions, entry(name, any(member))));
    }
    return { wire: 2, bytes: Buffer.concat(parts) };
  };
}

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : [value]);

const entry = (name: string, value: Encoded): Encoded => ({
  wire: 2,
  bytes: Buffer.concat([...field(1, string(name)), ...field(2, value)]),
});

/** A map: each entry under `number` as name and value. */
const map =
  (encode: Encoder, number = 1): Encoder =>
  (value) => ({
    wire: 2,
    bytes: Buffer.concat(
      Object.entries(value as object).flatMap(([name, member]) => field(number, entry(name, encode(member)))),
    ),
  });

/** A message that is nothing but a list. */
const list =
  (encode: Encoder): Encoder =>
  (value) => ({ wire: 2, bytes: Buffer.concat(asList(value).flatMap((each) => field(1, encode(each)))) });

const SCHEMA: Encoder = message(() => SCHEMA_FIELDS, 31);

const additionalProperties: Encoder = (value) =>
  typeof value === "boolean" ? wrap(2, bool(value)) : wrap(1, SCHEMA(value));

const SCHEMA_FIELDS: Fields = {
  $ref: one(1, string),
  format: one(2, string),
  title: one(3, string),
  description: one(4, string),
  default: one(5, any),
  multipleOf: one(6, double),
  maximum: one(7, double),
  exclusiveMaximum: one(8, bool),
  minimum: one(9, double),
  exclusiveMinimum: one(10, bool),
  maxLength: one(11, integer),
  minLength: one(12, integer),
  pattern: one(13, string),
  maxItems: one(14, integer),
  minItems: one(15, integer),
  uniqueItems: one(16, bool),
  maxProperties: one(17, integer),
  minProperties: one(18, integer),
  required: many(19, string),
  enum: many(20, any),
  additionalProperties: one(21, additionalProperties),
  type: one(22, list(string)),
  items: one(23, list(SCHEMA)),
  allOf: many(24, SCHEMA),
  properties: one(25, map(SCHEMA)),
  example: one(30, any),
};

const BODY_PARAMETER = message(() => ({
  description: one(1, string),
  name: one(2, string),
  in: one(3, string),
  required: one(4, bool),
  schema: one(5, SCHEMA),
}));

/** Where a parameter of a path has its fields; a query's has one more before its type. */
const plainParameter = (type: number): Encoder =>
  message(() => ({
    required: one(1, bool),
    in: one(2, string),
    description: one(3, string),
    name: one(4, string),
    type: one(type, string),
    uniqueItems: one(type + 14, bool),
  }));
const QUERY_PARAMETER = plainParameter(6);
const PATH_PARAMETER = plainParameter(5);

/** ParametersItem, Parameter, NonBodyParameter: each a choice inside the other. */
const parameter: Encoder = (value) => {
  const place = (value as { in: string }).in;
  if (place === "body") return wrap(1, wrap(1, BODY_PARAMETER(value)));
  return wrap(1, wrap(2, place === "query" ? wrap(3, QUERY_PARAMETER(value)) : wrap(4, PATH_PARAMETER(value))));
};

const RESPONSE = message(() => ({ description: one(1, string), schema: one(2, (value) => wrap(1, SCHEMA(value))) }), 5);

const OPERATION = message(
  () => ({
    tags: many(1, string),
    description: one(3, string),
    operationId: one(5, string),
    produces: many(6, string),
    consumes: many(7, string),
    parameters: many(8, parameter),
    responses: one(
      9,
      map((value) => wrap(1, RESPONSE(value))),
    ),
    schemes: many(10, string),
  }),
  13,
);

const PATH_ITEM = message(
  () => ({
    get: one(2, OPERATION),
    put: one(3, OPERATION),
    post: one(4, OPERATION),
    delete: one(5, OPERATION),
    patch: one(8, OPERATION),
    parameters: many(9, parameter),
  }),
  10,
);

const API_KEY = message(() => ({
  type: one(1, string),
  name: one(2, string),
  in: one(3, string),
  description: one(4, string),
}));

const DOCUMENT = message(() => ({
  swagger: one(1, string),
  info: one(
    2,
    message(() => ({ title: one(1, string), version: one(2, string) })),
  ),
  paths: one(8, map(PATH_ITEM, 2)),
  definitions: one(9, map(SCHEMA)),
  security: many(12, map(list(string))),
  securityDefinitions: one(
    13,
    map((value) => wrap(2, API_KEY(value))),
  ),
}));
