/** What a certificate request asks for, read out of its PEM text. */
export interface RequestedCertificate {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly emailAddresses: readonly string[];
  readonly uris: readonly string[];
}

/** The cluster's authority, as the signing controllers need it; main/ plugs it in. */
export interface CertificateSigner {
  /** Throws `invalid` for what is no request. */
  read(request: string): RequestedCertificate;
  /** The certificate (PEM) of a request. */
  sign(
    request: string,
    terms: { readonly usages: readonly string[]; readonly notBeforeMs: number; readonly notAfterMs: number },
  ): string;
}
