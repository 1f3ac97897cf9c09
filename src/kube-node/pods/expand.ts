/**
 * Pure: `$(NAME)` replaced from `values`, `$$` an escaped dollar, unknown names left as they are
 * (k8s.io/kubernetes third_party/forked/golang/expansion).
 */
export function expand(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(/\$(\$|\(([^)]*)\))/g, (whole, escaped: string, name: string | undefined) => {
    if (escaped === "$") return "$";
    return (name !== undefined && values.get(name)) || (name !== undefined && values.has(name) ? "" : whole);
  });
}
