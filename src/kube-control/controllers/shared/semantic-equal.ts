/** Deep equality of JSON documents in which an absent field, `null`, an empty list and an empty map are the same (apimachinery's equality.Semantic). */
export function semanticEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (isEmpty(a) || isEmpty(b)) return isEmpty(a) && isEmpty(b);
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((each, index) => semanticEqual(each, b[index]))
    );
  }
  if (!isMap(a) || !isMap(b)) return false;
  for (const key of Object.keys(a)) if (!semanticEqual(a[key], b[key])) return false;
  for (const key of Object.keys(b)) if (!(key in a) && !isEmpty(b[key])) return false;
  return true;
}

/** The same for a status: a number that is 0 and one that is absent are the same too, for the API keeps no zeros (Go's omitempty). */
export function sameStatus(a: object | undefined, b: object | undefined): boolean {
  return semanticEqual(withoutZeros(a), withoutZeros(b));
}

function withoutZeros(status: object | undefined): object {
  return Object.fromEntries(Object.entries(status ?? {}).filter(([, value]) => value !== 0));
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isMap(value) && Object.keys(value).length === 0;
}
