/** How a client reaches one API server and who it is there. Certificates and keys are PEM text. Never logged. */
export interface Credentials {
  /** `https://host:port`, with a path when the API lies behind one. */
  readonly server: string;
  readonly ca?: string;
  /** Do not check the server's certificate. */
  readonly insecure?: boolean;
  /** The name that the server's certificate must have, when not the host's. */
  readonly serverName?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
  /** A file with a token, read anew for each minute's first request: service account tokens change. */
  readonly tokenFile?: string;
  /** The context's namespace, for the CLI. */
  readonly namespace?: string;
}
