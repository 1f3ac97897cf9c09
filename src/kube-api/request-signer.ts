// Signs the requests of certificates.k8s.io with the cluster's authority.
import { X509Certificate } from "node:crypto";
import { GantryError } from "#base/errors.ts";
import { bits, octets, oid, primitive, sequence } from "./certificates/der.ts";
import { readSigningRequest, type SigningRequest } from "./certificates/request.ts";
import {
  EXTENSION,
  extension,
  issuerOf,
  keyIdOf,
  serialNumber,
  signCertificate,
  type Issuer,
  type KeyPair,
} from "./certificates/x509.ts";

export type { SigningRequest } from "./certificates/request.ts";

export interface SigningTerms {
  /** As in `spec.usages`: `digital signature`, `client auth`, ... */
  readonly usages: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface RequestSigner {
  /** Reads a request (PEM). Throws `invalid` when it is none, or is not signed by its own key. */
  read(request: string): SigningRequest;
  /** The certificate (PEM) of exactly what the request names. It ends no later than the authority. */
  sign(request: string, terms: SigningTerms): string;
}

/** Bits of KeyUsage (RFC 5280, 4.2.1.3), by the names of certificates.k8s.io/v1. */
const KEY_USAGES: Readonly<Record<string, number>> = {
  signing: 0,
  "digital signature": 0,
  "content commitment": 1,
  "key encipherment": 2,
  "data encipherment": 3,
  "key agreement": 4,
  "cert sign": 5,
  "crl sign": 6,
  "encipher only": 7,
  "decipher only": 8,
};

const EXTENDED_USAGES: Readonly<Record<string, string>> = {
  any: "2.5.29.37.0",
  "server auth": "1.3.6.1.5.5.7.3.1",
  "client auth": "1.3.6.1.5.5.7.3.2",
  "code signing": "1.3.6.1.5.5.7.3.3",
  "email protection": "1.3.6.1.5.5.7.3.4",
  "s/mime": "1.3.6.1.5.5.7.3.4",
  "ipsec end system": "1.3.6.1.5.5.7.3.5",
  "ipsec tunnel": "1.3.6.1.5.5.7.3.6",
  "ipsec user": "1.3.6.1.5.5.7.3.7",
  timestamping: "1.3.6.1.5.5.7.3.8",
  "ocsp signing": "1.3.6.1.5.5.7.3.9",
  "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
  "netscape sgc": "2.16.840.1.113730.4.1",
};

/** A signer with the cluster's own authority (`ClusterCertificates.authority`), which is read at the first signature. */
export function requestSigner(authority: () => KeyPair): RequestSigner {
  let known: Authority | undefined;
  return {
    read: readSigningRequest,
    sign(text, terms) {
      const request = readSigningRequest(text);
      const { subject, spki } = request;
      const { notBeforeMs } = terms;
      known ??= readAuthority(authority());
      const { issuer, endMs } = known;
      const notAfterMs = Math.min(terms.notAfterMs, endMs);
      const serial = serialNumber(spki, { ...terms, subject: subject.toString("hex") });
      const extensions = extensionsOf(request, terms.usages, issuer.keyId);
      return signCertificate(issuer, { subject, spki, serial, notBeforeMs, notAfterMs, extensions });
    },
  };
}

interface Authority {
  readonly issuer: Issuer;
  readonly endMs: number;
}

function readAuthority(pair: KeyPair): Authority {
  return { issuer: issuerOf(pair), endMs: new X509Certificate(pair.cert).validToDate.getTime() };
}

function extensionsOf(request: SigningRequest, usages: readonly string[], authorityKeyId: Buffer): Buffer[] {
  for (const usage of usages) {
    if (!Object.hasOwn(KEY_USAGES, usage) && !Object.hasOwn(EXTENDED_USAGES, usage))
      throw new GantryError("invalid", `unrecognized usages: ["${usage}"]`);
  }
  const flags = usages.flatMap((usage) => KEY_USAGES[usage] ?? []);
  const purposes = Array.from(new Set(usages.flatMap((usage) => EXTENDED_USAGES[usage] ?? []))).map(oid);
  return [
    ...(flags.length > 0 ? [extension(EXTENSION.keyUsage, true, bitString(flags))] : []),
    ...(purposes.length > 0 ? [extension(EXTENSION.extendedKeyUsage, false, sequence(...purposes))] : []),
    extension(EXTENSION.basicConstraints, true, sequence()),
    extension(EXTENSION.subjectKeyId, false, octets(keyIdOf(request.publicKey))),
    extension(EXTENSION.authorityKeyId, false, sequence(primitive(0, authorityKeyId))),
    ...(request.subjectAltName ? [extension(EXTENSION.subjectAltName, false, request.subjectAltName)] : []),
  ];
}

/** A named bit list: no trailing zero bits. */
function bitString(flags: readonly number[]): Buffer {
  const last = Math.max(...flags);
  const bytes = Buffer.alloc(Math.floor(last / 8) + 1);
  for (const flag of flags) bytes.writeUInt8(bytes.readUInt8(flag >> 3) | (0x80 >> (flag & 7)), flag >> 3);
  return bits(bytes, 7 - (last & 7));
}
