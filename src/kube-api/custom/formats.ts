import { isIP, isIPv4, isIPv6 } from "node:net";

type Test = (value: string) => boolean;

const DATE = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/;
const DATE_TIME =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)([.,]\d+)?([Zz]|[+-]\d\d:\d\d)$/;
const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const DURATION = /^([+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h|d|w))+$|^0$/;
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

const FORMATS: Readonly<Record<string, Test>> = {
  date: (value) => DATE.test(value),
  "date-time": (value) => DATE_TIME.test(value),
  datetime: (value) => DATE_TIME.test(value),
  duration: (value) => DURATION.test(value),
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  mac: (value) => /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(value),
  uuid: (value) => UUID.test(value),
  uuid3: (value) => UUID.test(value),
  uuid4: (value) => UUID.test(value),
  uuid5: (value) => UUID.test(value),
  byte: (value) => /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value),
  email: (value) => /^[^@\s]+@[^@\s]+$/.test(value),
  hostname: (value) => value.length <= 253 && value.split(".").every((label) => LABEL.test(label.toLowerCase())),
  uri: (value) => URL.canParse(value),
  hexcolor: (value) => /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i.test(value),
  creditcard: (value) => /^\d{13,19}$/.test(value.replaceAll(/[ -]/g, "")),
  isbn10: (value) => /^(\d[- ]?){9}[\dXx]$/.test(value),
  isbn13: (value) => /^(\d[- ]?){13}$/.test(value),
  ssn: (value) => /^\d{3}[- ]?\d{2}[- ]?\d{4}$/.test(value),
  rgbcolor: (value) => /^rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)$/.test(value),
  "k8s-short-name": (value) => value.length <= 63 && LABEL.test(value),
  "k8s-long-name": (value) => value.length <= 253 && value.split(".").every((label) => LABEL.test(label)),
};

function isCidr(value: string): boolean {
  const [address = "", length = "", more] = value.split("/");
  const version = isIP(address);
  return (
    more === undefined && version !== 0 && /^\d{1,3}$/.test(length) && Number(length) <= (version === 4 ? 32 : 128)
  );
}

/** What is wrong with a string of a format; undefined when it fits, or the format is not one that is checked. */
export function formatFault(format: string, value: string): string | undefined {
  const test = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
  return test && !test(value) ? `must be of type ${format}: ${JSON.stringify(value)}` : undefined;
}
