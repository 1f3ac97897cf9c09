// X.509 certificates (RFC 5280) with P-256 keys, as a cluster's own authority issues them.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { isIP } from "node:net";
import { bits, boolean, integer, octets, oid, primitive, readDer, sequence, set, tagged, time, utf8 } from "./der.ts";

/** A certificate and its private key, as PEM text. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  readonly usage: "ca" | "server" | "client" | "server-and-client";
  /** DNS names and IP addresses. */
  readonly names?: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface Issuer {
  readonly name: Buffer;
  readonly key: KeyObject;
  readonly keyId: Buffer;
}

const ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));
const OID = { commonName: "2.5.4.3", organization: "2.5.4.10" };
export const EXTENSION = {
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyId: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
};
const SERVER_AUTH = oid("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH = oid("1.3.6.1.5.5.7.3.2");

/** A self-signed authority, with a new key. */
export function createAuthority(request: CertificateRequest): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = distinguishedName(request);
  const issuer = { name, key: privateKey, keyId: keyIdOf(publicKey) };
  return { cert: certificate(request, name, publicKey, issuer), key: pem(privateKey) };
}

/** A certificate signed by the authority, with a new key. */
export function issue(authority: KeyPair, request: CertificateRequest): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { cert: issueFor(authority, request, publicKey), key: pem(privateKey) };
}

/** A certificate signed by the authority for a key that someone else holds. */
export function issueFor(authority: KeyPair, request: CertificateRequest, publicKey: KeyObject): string {
  return certificate(request, distinguishedName(request), publicKey, issuerOf(authority));
}

/** The authority as certificates name it. */
export function issuerOf(authority: KeyPair): Issuer {
  const key = createPrivateKey(authority.key);
  return { name: subjectOf(authority.cert), key, keyId: keyIdOf(createPublicKey(key)) };
}

/** What a certificate says, as DER. */
export interface CertificateParts {
  readonly subject: Uint8Array;
  readonly spki: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly extensions: readonly Uint8Array[];
  /** At most 16 bytes. */
  readonly serial: Buffer;
}

/** Signs a certificate; PEM. */
export function signCertificate(issuer: Issuer, parts: CertificateParts): string {
  const body = sequence(
    tagged(0, integer(Buffer.from([2]))),
    integer(parts.serial),
    ECDSA_SHA256,
    issuer.name,
    sequence(time(parts.notBeforeMs), time(parts.notAfterMs)),
    parts.subject,
    parts.spki,
    tagged(3, sequence(...parts.extensions)),
  );
  return pemText("CERTIFICATE", sequence(body, ECDSA_SHA256, bits(sign("sha256", body, issuer.key))));
}

function certificate(request: CertificateRequest, subject: Buffer, publicKey: KeyObject, issuer: Issuer): string {
  const spki = publicKey.export({ type: "spki", format: "der" });
  return signCertificate(issuer, {
    subject,
    spki,
    serial: serialNumber(spki, request),
    notBeforeMs: request.notBeforeMs,
    notAfterMs: request.notAfterMs,
    extensions: extensions(request, keyIdOf(publicKey), issuer.keyId),
  });
}

/** Unique per authority: a hash of the key and what is certified of it, 127 bits. */
export function serialNumber(spki: Uint8Array, request: object): Buffer {
  const hash = createHash("sha256").update(spki).update(JSON.stringify(request)).digest().subarray(0, 16);
  hash.writeUInt8((hash.readUInt8(0) & 0x3f) | 0x40, 0);
  return hash;
}

function distinguishedName({ organizations = [], commonName }: CertificateRequest): Buffer {
  const attribute = (type: string, value: string): Buffer => set(sequence(oid(type), utf8(value)));
  return sequence(
    ...organizations.map((name) => attribute(OID.organization, name)),
    attribute(OID.commonName, commonName),
  );
}

function extensions({ usage, names = [] }: CertificateRequest, subjectKeyId: Buffer, authorityKeyId: Buffer): Buffer[] {
  const ca = usage === "ca";
  const purposes = [
    ...(usage.startsWith("server") ? [SERVER_AUTH] : []),
    ...(usage.endsWith("client") ? [CLIENT_AUTH] : []),
  ];
  const list = [
    extension(EXTENSION.basicConstraints, true, ca ? sequence(boolean(true)) : sequence()),
    // digitalSignature, keyEncipherment; an authority also keyCertSign.
    extension(EXTENSION.keyUsage, true, ca ? bits(Buffer.from([0xa4]), 2) : bits(Buffer.from([0xa0]), 5)),
    extension(EXTENSION.subjectKeyId, false, octets(subjectKeyId)),
    extension(EXTENSION.authorityKeyId, false, sequence(primitive(0, authorityKeyId))),
  ];
  if (purposes.length > 0) list.push(extension(EXTENSION.extendedKeyUsage, false, sequence(...purposes)));
  if (names.length > 0) list.push(extension(EXTENSION.subjectAltName, false, sequence(...names.map(generalName))));
  return list;
}

export function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value));
}

function generalName(name: string): Buffer {
  if (isIP(name) === 4) return primitive(7, Buffer.from(name.split(".").map(Number)));
  if (isIP(name) === 6) return primitive(7, ipv6Bytes(name));
  return primitive(2, Buffer.from(name, "latin1"));
}

function ipv6Bytes(address: string): Buffer {
  const [head = "", tail] = address.split("::");
  const groups = (text: string | undefined): string[] => (text ? text.split(":") : []);
  const left = groups(head);
  const right = groups(tail);
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  const all = tail === undefined ? left : [...left, ...zeros, ...right];
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex");
}

export function keyIdOf(publicKey: KeyObject): Buffer {
  return createHash("sha1")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest();
}

function pem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

/** PEM of DER bytes (RFC 7468). */
export function pemText(label: string, bytes: Buffer): string {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** DER bytes of the first PEM block. */
export function pemBytes(text: string): Buffer {
  const body = /-----BEGIN [A-Z0-9 ]+-----([\s\S]+?)-----END/.exec(text)?.[1] ?? "";
  return Buffer.from(body, "base64");
}

/** The subject of a certificate, as its bytes: what it issues must name it exactly so. */
function subjectOf(cert: string): Buffer {
  const whole = readDer(pemBytes(cert))[0];
  const body = whole ? readDer(whole.content)[0] : undefined;
  const fields = body ? readDer(body.content) : [];
  // version, serial, algorithm, issuer, validity, subject
  const subject = fields[5];
  if (!subject) throw new RangeError("the authority's certificate has no subject");
  return subject.raw;
}
