// PKCS #10 certification requests (RFC 2986), as clients of certificates.k8s.io send them.
import { createPublicKey, verify, type KeyObject } from "node:crypto";
import { isIPv4 } from "node:net";
import { GantryError } from "#base/errors.ts";
import { oidText, readDer, type DerNode } from "./der.ts";
import { EXTENSION, pemBytes } from "./x509.ts";

/** What a request asks to be certified. Its signature has been checked: whoever made it holds the key. */
export interface SigningRequest {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly emailAddresses: readonly string[];
  readonly uris: readonly string[];
  /** DER, to be certified as they are. */
  readonly subject: Buffer;
  readonly spki: Buffer;
  readonly subjectAltName: Buffer | undefined;
  readonly publicKey: KeyObject;
}

const COMMON_NAME = "2.5.4.3";
const ORGANIZATION = "2.5.4.10";
const EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
const BMP_STRING = 0x1e;

/** By the algorithm's identifier; null where the key's own is meant. Digests that can be forged are not among them. */
const DIGESTS: Readonly<Record<string, string | null>> = {
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.3.101.112": null,
};

/** Reads PEM. Throws `invalid` for what is no request, or not signed by its own key. */
export function readSigningRequest(pem: string): SigningRequest {
  try {
    return readRequest(pem);
  } catch (error) {
    if (error instanceof GantryError) throw error;
    throw new GantryError("invalid", "asn1: structure error: not a certificate request", {}, error);
  }
}

function readRequest(pem: string): SigningRequest {
  if (!pem.includes("-----BEGIN CERTIFICATE REQUEST-----"))
    throw new GantryError("invalid", "PEM block type must be CERTIFICATE REQUEST");
  const [info, algorithm, signature] = readDer(first(readDer(pemBytes(pem))).content);
  const [, subject, spki, ...attributes] = readDer(first([info]).content);
  const key = first([spki]).raw;
  const publicKey = createPublicKey({ key, format: "der", type: "spki" });
  checkSignature(first([info]).raw, first([algorithm]), first([signature]), publicKey);
  const names = readDer(first([subject]).content).flatMap(readRelativeName);
  const of = (type: string): string[] => names.filter(([id]) => id === type).map(([, text]) => text);
  const subjectAltName = requestedNames(attributes);
  return {
    commonName: of(COMMON_NAME).at(-1) ?? "",
    organizations: of(ORGANIZATION),
    ...alternativeNames(subjectAltName),
    subject: first([subject]).raw,
    spki: key,
    subjectAltName,
    publicKey,
  };
}

function first(nodes: readonly (DerNode | undefined)[]): DerNode {
  const [node] = nodes;
  if (!node) throw new RangeError("a part is missing");
  return node;
}

function checkSignature(signed: Buffer, algorithm: DerNode, signature: DerNode, key: KeyObject): void {
  const id = oidText(first(readDer(algorithm.content)).content);
  const digest = DIGESTS[id];
  if (digest === undefined) throw new GantryError("invalid", `x509: cannot verify signature: algorithm ${id}`);
  // A BIT STRING begins with the number of its unused bits.
  if (!verify(digest, signed, key, signature.content.subarray(1)))
    throw new GantryError("invalid", "x509: signature of the certificate request does not match its key");
}

/** RelativeDistinguishedName: a set of types and values. */
function readRelativeName(relative: DerNode): [id: string, text: string][] {
  return readDer(relative.content).map(({ content }) => {
    const [type, value] = readDer(content);
    return [oidText(first([type]).content), textOf(first([value]))];
  });
}

function textOf({ tag, content }: DerNode): string {
  return tag === BMP_STRING ? Buffer.from(content).swap16().toString("utf16le") : content.toString("utf8");
}

/** The subject alternative names among the requested extensions, as the extension's value. */
function requestedNames(attributes: readonly DerNode[]): Buffer | undefined {
  for (const { content } of attributes.flatMap((each) => readDer(each.content))) {
    const [type, values] = readDer(content);
    if (!type || !values || oidText(type.content) !== EXTENSION_REQUEST) continue;
    for (const extension of readDer(first(readDer(values.content)).content)) {
      const [id, ...rest] = readDer(extension.content);
      if (id && oidText(id.content) === EXTENSION.subjectAltName) return rest.at(-1)?.content;
    }
  }
  return undefined;
}

type AlternativeNames = Pick<SigningRequest, "dnsNames" | "ipAddresses" | "emailAddresses" | "uris">;

/** GeneralName: [1] e-mail, [2] DNS, [6] URI, [7] address. */
function alternativeNames(value: Buffer | undefined): AlternativeNames {
  const names = value ? readDer(first(readDer(value)).content) : [];
  const of = (tag: number): Buffer[] => names.filter((name) => name.tag === tag).map(({ content }) => content);
  const text = (tag: number): string[] => of(tag).map((content) => content.toString("latin1"));
  return { emailAddresses: text(0x81), dnsNames: text(0x82), uris: text(0x86), ipAddresses: of(0x87).map(addressText) };
}

function addressText(bytes: Buffer): string {
  const dotted = Array.from(bytes).join(".");
  if (isIPv4(dotted)) return dotted;
  return (bytes.toString("hex").match(/.{4}/g) ?? []).map((group) => group.replace(/^0{1,3}/, "")).join(":");
}
