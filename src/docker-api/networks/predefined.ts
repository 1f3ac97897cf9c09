/** Docker's own networks, which can be neither made nor removed. */
export const PREDEFINED: ReadonlySet<string> = new Set(["bridge", "host", "none", "default"]);
