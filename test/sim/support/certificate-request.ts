// PKCS #10 requests (RFC 2986) as a client's openssl would make them.
import { generateKeyPairSync, sign } from "node:crypto";
import { isIP } from "node:net";
import {
  bits,
  integer,
  octets,
  oid,
  primitive,
  sequence,
  set,
  tagged,
  utf8,
} from "../../../src/kube-api/certificates/der.ts";
import { pemText } from "../../../src/kube-api/certificates/x509.ts";

export interface RequestOptions {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  /** DNS names and IPv4 addresses. */
  readonly names?: readonly string[];
  /** Signed with another key than the one that is to be certified. */
  readonly forged?: boolean;
}

/** A request with a key of its own, as PEM. */
export function makeRequest({ commonName, organizations = [], names = [], forged = false }: RequestOptions): string {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const attribute = (id: string, text: string): Buffer => set(sequence(oid(id), utf8(text)));
  const alternatives = names.map((name) =>
    isIP(name) ? primitive(7, Buffer.from(name.split(".").map(Number))) : primitive(2, Buffer.from(name)),
  );
  const extension = sequence(oid("2.5.29.17"), octets(sequence(...alternatives)));
  const attributes = names.length > 0 ? [sequence(oid("1.2.840.113549.1.9.14"), set(sequence(extension)))] : [];
  const info = sequence(
    integer(Buffer.from([0])),
    sequence(...organizations.map((each) => attribute("2.5.4.10", each)), attribute("2.5.4.3", commonName)),
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0, ...attributes),
  );
  const signer = forged ? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey : privateKey;
  const algorithm = sequence(oid("1.2.840.10045.4.3.2"));
  return pemText("CERTIFICATE REQUEST", sequence(info, algorithm, bits(sign("sha256", info, signer))));
}
