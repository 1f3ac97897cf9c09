import type { ExtenderConfig, ExtenderTls } from "../extenders/extender.ts";
import { duration, fields, invalid, known, list, number, text, type Fields } from "./fields.ts";

const FIELDS = [
  "urlPrefix",
  "filterVerb",
  "preemptVerb",
  "prioritizeVerb",
  "weight",
  "bindVerb",
  "enableHTTPS",
  "tlsConfig",
  "httpTimeout",
  "nodeCacheCapable",
  "managedResources",
  "ignorable",
];
/** kube-scheduler's DefaultExtenderTimeout. */
const TIMEOUT_MS = 5000;

/** Reads one entry of `extenders`. */
export function readExtender(value: unknown, where: string, readFile: (path: string) => string): ExtenderConfig {
  const entry = fields(value, where);
  known(entry, FIELDS, where);
  const read = (name: string): string => text(entry[name], `${where}.${name}`);
  const flag = (name: string): boolean => entry[name] === true;
  const urlPrefix = read("urlPrefix");
  if (!URL.canParse(urlPrefix)) throw invalid(`${where}.urlPrefix: "${urlPrefix}" is not a URL`);
  const weight = number(entry["weight"], `${where}.weight`, 0);
  if (read("prioritizeVerb") !== "" && weight <= 0) {
    throw invalid(`${where}.weight: must have a positive weight applied to it`);
  }
  return {
    urlPrefix,
    filterVerb: read("filterVerb"),
    preemptVerb: read("preemptVerb"),
    prioritizeVerb: read("prioritizeVerb"),
    bindVerb: read("bindVerb"),
    weight,
    enableHttps: flag("enableHTTPS"),
    tls: readTls(entry["tlsConfig"], `${where}.tlsConfig`, readFile),
    timeoutMs: duration(entry["httpTimeout"], `${where}.httpTimeout`, TIMEOUT_MS) || TIMEOUT_MS,
    nodeCacheCapable: flag("nodeCacheCapable"),
    managedResources: list(entry["managedResources"], `${where}.managedResources`).map((each, index) => {
      const at = `${where}.managedResources[${index}]`;
      const resource = fields(each, at);
      known(resource, ["name", "ignoredByScheduler"], at);
      const name = text(resource["name"], `${at}.name`);
      if (!name.includes("/")) throw invalid(`${at}.name: "${name}" is an invalid extended resource name`);
      return { name, ignoredByScheduler: resource["ignoredByScheduler"] === true };
    }),
    ignorable: flag("ignorable"),
  };
}

function readTls(value: unknown, where: string, readFile: (path: string) => string): ExtenderTls {
  const given = fields(value ?? {}, where);
  known(given, ["insecure", "serverName", "certFile", "keyFile", "caFile", "certData", "keyData", "caData"], where);
  const pem = (name: "cert" | "key" | "ca"): string | undefined => pemOf(given, name, where, readFile);
  return {
    insecure: given["insecure"] === true,
    serverName: text(given["serverName"], `${where}.serverName`) || undefined,
    cert: pem("cert"),
    key: pem("key"),
    ca: pem("ca"),
  };
}

/** Data wins over a file, as in kubeconfigs. */
function pemOf(given: Fields, name: string, where: string, readFile: (path: string) => string): string | undefined {
  const data = text(given[`${name}Data`], `${where}.${name}Data`);
  if (data !== "") return Buffer.from(data, "base64").toString();
  const file = text(given[`${name}File`], `${where}.${name}File`);
  return file === "" ? undefined : readFile(file);
}
