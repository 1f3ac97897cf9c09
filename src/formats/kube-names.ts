// Name rules of the Kubernetes API (k8s.io/apimachinery/pkg/util/validation). Each `is…` function returns what is wrong,
// in Kubernetes' words; an empty list when the value is fine.
import { isIP } from "node:net";

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
const WILDCARD = `\\*\\.${SUBDOMAIN}`;
const QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE = `(${QUALIFIED})?`;
const CONFIG_KEY = "[-._a-zA-Z0-9]+";
const HTTP_HEADER = "[-A-Za-z0-9]+";
const PERCENT = "[0-9]+%";
const C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*";
const HTTP_PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";

const labelRegexp = new RegExp(`^${LABEL}$`);
const subdomainRegexp = new RegExp(`^${SUBDOMAIN}$`);
const label1035Regexp = new RegExp(`^${LABEL_1035}$`);
const wildcardRegexp = new RegExp(`^${WILDCARD}$`);
const qualifiedRegexp = new RegExp(`^${QUALIFIED}$`);
const labelValueRegexp = new RegExp(`^${LABEL_VALUE}$`);
const configKeyRegexp = new RegExp(`^${CONFIG_KEY}$`);
const httpHeaderRegexp = new RegExp(`^${HTTP_HEADER}$`);
const percentRegexp = new RegExp(`^${PERCENT}$`);
const cIdentifierRegexp = new RegExp(`^${C_IDENTIFIER}$`);
const httpPathRegexp = new RegExp(`^${HTTP_PATH}$`);

const QUALIFIED_MESSAGE =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

export const DNS_LABEL_MAX = 63;
export const DNS_SUBDOMAIN_MAX = 253;
export const LABEL_VALUE_MAX = 63;

export function maxLengthError(length: number): string {
  return `must be no more than ${length} characters`;
}

export function maxBytesError(length: number): string {
  return `must be no more than ${length} bytes`;
}

export function rangeError(low: number, high: number): string {
  return `must be between ${low} and ${high}, inclusive`;
}

/** A message that names the rule, examples and the regular expression. */
export function regexError(message: string, regex: string, ...examples: string[]): string {
  const shown = examples.map((example) => `'${example}', `).join(" or ");
  return examples.length === 0
    ? `${message} (regex used for validation is '${regex}')`
    : `${message} (e.g. ${shown}regex used for validation is '${regex}')`;
}

function byteLength(value: string): number {
  return Buffer.byteLength(value);
}

/** RFC 1123 label: at most 63 of `a-z0-9-`. */
export function isDnsLabel(value: string): string[] {
  const errors: string[] = [];
  if (byteLength(value) > DNS_LABEL_MAX) errors.push(maxLengthError(DNS_LABEL_MAX));
  if (labelRegexp.test(value)) return errors;
  if (subdomainRegexp.test(value)) return [...errors, "must not contain dots"];
  const rule =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
  return [...errors, regexError(rule, LABEL, "my-name", "123-abc")];
}

/** RFC 1123 subdomain: dotted labels, at most 253 characters. */
export function isDnsSubdomain(value: string): string[] {
  const errors: string[] = [];
  if (byteLength(value) > DNS_SUBDOMAIN_MAX) errors.push(maxLengthError(DNS_SUBDOMAIN_MAX));
  const rule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
  if (!subdomainRegexp.test(value)) errors.push(regexError(rule, SUBDOMAIN, "example.com"));
  return errors;
}

/** RFC 1035 label: as an RFC 1123 label, but starting with a letter. */
export function isDns1035Label(value: string): string[] {
  const errors: string[] = [];
  if (byteLength(value) > DNS_LABEL_MAX) errors.push(maxLengthError(DNS_LABEL_MAX));
  const rule =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
  if (!label1035Regexp.test(value)) errors.push(regexError(rule, LABEL_1035, "my-name", "abc-123"));
  return errors;
}

/** `*.` and a subdomain. */
export function isWildcardSubdomain(value: string): string[] {
  const errors: string[] = [];
  if (byteLength(value) > DNS_SUBDOMAIN_MAX) errors.push(maxLengthError(DNS_SUBDOMAIN_MAX));
  const rule =
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
  if (!wildcardRegexp.test(value)) errors.push(regexError(rule, WILDCARD, "*.example.com"));
  return errors;
}

/** A label key, annotation key, resource name …: an optional subdomain prefix with `/`, and a name of at most 63. */
export function isQualifiedName(value: string): string[] {
  const parts = value.split("/");
  const errors: string[] = [];
  if (parts.length > 2) {
    const rule = regexError(QUALIFIED_MESSAGE, QUALIFIED, "MyName", "my.name", "123-abc");
    return [`a valid label key ${rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  const name = parts[parts.length - 1] ?? "";
  if (parts.length === 2) {
    const prefix = parts[0] ?? "";
    if (prefix === "") errors.push("prefix part must be non-empty");
    else errors.push(...isDnsSubdomain(prefix).map((error) => `prefix part ${error}`));
  }
  if (name === "") errors.push("name part must be non-empty");
  else if (byteLength(name) > DNS_LABEL_MAX) errors.push(`name part ${maxBytesError(DNS_LABEL_MAX)}`);
  if (!qualifiedRegexp.test(name)) {
    errors.push(`name part ${regexError(QUALIFIED_MESSAGE, QUALIFIED, "MyName", "my.name", "123-abc")}`);
  }
  return errors;
}

/** Empty, or at most 63 characters that start and end alphanumeric. */
export function isLabelValue(value: string): string[] {
  const errors: string[] = [];
  if (byteLength(value) > LABEL_VALUE_MAX) errors.push(maxBytesError(LABEL_VALUE_MAX));
  const rule = `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`;
  if (!labelValueRegexp.test(value)) errors.push(regexError(rule, LABEL_VALUE, "MyValue", "my_value", "12345"));
  return errors;
}

/** 1 to 65535. */
export function isPortNumber(port: number): string[] {
  return port >= 1 && port <= 65535 ? [] : [rangeError(1, 65535)];
}

/** 0 to 2^32-1. */
export function isUserId(id: number): string[] {
  return id >= 0 && id <= 0xffffffff ? [] : [rangeError(0, 0xffffffff)];
}

/** IANA_SVC_NAME: at most 15 of `a-z0-9-` with a letter. */
export function isPortName(port: string): string[] {
  const errors: string[] = [];
  if (byteLength(port) > 15) errors.push(maxLengthError(15));
  if (!/^[-a-z0-9]+$/.test(port)) errors.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  if (!/[a-z]/.test(port)) errors.push("must contain at least one letter (a-z)");
  if (port.includes("--")) errors.push("must not contain consecutive hyphens");
  if (port.startsWith("-") || port.endsWith("-")) errors.push("must not begin or end with a hyphen");
  return errors;
}

/** `10%`. */
export function isPercent(value: string): string[] {
  const rule = "a valid percent string must be a numeric string followed by an ending '%'";
  return percentRegexp.test(value) ? [] : [regexError(rule, PERCENT, "1%", "93%")];
}

export function isHttpHeaderName(value: string): string[] {
  const rule = "a valid HTTP header must consist of alphanumeric characters or '-'";
  return httpHeaderRegexp.test(value) ? [] : [regexError(rule, HTTP_HEADER, "X-Header-Name")];
}

/** Printable ASCII other than `=` (the relaxed rule, stable since 1.34). */
export function isEnvVarName(value: string): string[] {
  const errors = value === "" ? ["environment variable name must be non-empty"] : [];
  const rule = "a valid environment variable name must consist only of printable ASCII characters other than '='";
  if (/[^\x20-\x3c\x3e-\x7e]/.test(value)) errors.push(rule);
  return errors;
}

/** A key of a ConfigMap's or Secret's data. */
export function isConfigMapKey(value: string): string[] {
  const errors: string[] = [];
  if (byteLength(value) > DNS_SUBDOMAIN_MAX) errors.push(maxLengthError(DNS_SUBDOMAIN_MAX));
  const rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
  if (!configKeyRegexp.test(value)) errors.push(regexError(rule, CONFIG_KEY, "key.name", "KEY_NAME", "key-name"));
  if (value === ".") errors.push("must not be '.'");
  else if (value === "..") errors.push("must not be '..'");
  else if (value.startsWith("..")) errors.push("must not start with '..'");
  return errors;
}

export function isCIdentifier(value: string): string[] {
  const rule =
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'";
  return cIdentifierRegexp.test(value) ? [] : [regexError(rule, C_IDENTIFIER, "my_name", "MY_NAME", "MyName")];
}

/** The path part of a domain-prefixed path (`example.com/path`). */
export function isHttpPath(value: string): string[] {
  return httpPathRegexp.test(value) ? [] : [regexError("Invalid path", HTTP_PATH)];
}

/** A name that goes into a URL path as it is: roles, and other kinds with free names. */
export function isPathSegment(name: string): string[] {
  if (name === "." || name === "..") return [`may not be '${name}'`];
  const errors: string[] = [];
  for (const illegal of ["/", "%"]) if (name.includes(illegal)) errors.push(`may not contain '${illegal}'`);
  return errors;
}

/** An IPv4 or IPv6 address in text form, without zone. */
export function isIpAddress(value: string): string[] {
  const ok = isIP(value) !== 0 && !value.includes("%");
  return ok ? [] : ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"];
}

/** An address and a prefix length. */
export function isCidr(value: string): string[] {
  const [address = "", prefix = "", more] = value.split("/");
  const family = isIP(address);
  const most = family === 4 ? 32 : 128;
  const ok = more === undefined && family !== 0 && /^(0|[1-9][0-9]{0,2})$/.test(prefix) && Number(prefix) <= most;
  return ok ? [] : ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"];
}
