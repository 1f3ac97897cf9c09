import { pipeline, type Duplex } from "node:stream";
import { errorText } from "#base/errors.ts";
import { spdyConnection, type SpdyStream } from "./spdy/connection.ts";

export const PORT_FORWARD_PROTOCOL = "portforward.k8s.io";
/** The same, as a byte stream inside a WebSocket (KEP-4006). */
export const TUNNEL_PROTOCOL = "SPDY/3.1+portforward.k8s.io";

/** Connections whose second stream has not come yet; further ones are refused. */
const MAX_PENDING = 1000;

/** Serves port-forward: for each pair of streams one connection to a port of the pod. Resolves when the client leaves. */
export function servePortForward(transport: Duplex, dial: (port: number) => Promise<Duplex>): Promise<void> {
  const pending = new Map<string, { error?: SpdyStream; data?: SpdyStream }>();
  return new Promise((resolve) => {
    spdyConnection(transport, {
      onStream(stream) {
        const { streamtype: type = "", port: portText = "", requestid: id = String(stream.id) } = stream.headers;
        const port = Number(portText);
        if ((type !== "error" && type !== "data") || !Number.isInteger(port) || port < 1 || port > 65_535)
          return void stream.destroy();
        const pair = pending.get(id) ?? {};
        pair[type] = stream;
        if (pair.data && pair.error) {
          pending.delete(id);
          void forward(pair.data, pair.error, port, dial);
        } else if (pending.size >= MAX_PENDING) stream.destroy();
        else pending.set(id, pair);
      },
      onClose: resolve,
    });
  });
}

async function forward(
  data: SpdyStream,
  error: SpdyStream,
  port: number,
  dial: (port: number) => Promise<Duplex>,
): Promise<void> {
  let connection: Duplex;
  try {
    connection = await dial(port);
  } catch (cause) {
    error.end(`error forwarding port ${port} to pod: ${errorText(cause)}`);
    data.end();
    return;
  }
  // Nothing went wrong so far: the client reads the end of the error stream when the connection is over.
  const over = (): void => {
    if (!error.writableEnded) error.end();
  };
  error.resume();
  pipeline(data, connection, () => undefined);
  pipeline(connection, data, over);
}
