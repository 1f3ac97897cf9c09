// The channels of a remote command, whatever carries them: WebSocket messages or SPDY streams.
import type { Duplex, Readable, Writable } from "node:stream";

/** What a client of exec or attach is connected to. */
export interface CommandChannels {
  /** undefined: not asked for. */
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  /** Terminal sizes as JSON documents, one a chunk or several. */
  readonly resize: Readable | undefined;
  /** Tells how it ended, as a Status document, and closes everything. */
  finish(status: object): void;
  /** Fires when the client is gone. */
  readonly gone: AbortSignal;
}

/** What a client of port-forward opens: pairs of streams per connection. */
export interface ForwardedPort {
  readonly port: number;
  readonly data: Duplex;
  /** A text written here tells that the connection failed. */
  readonly error: Writable;
}
