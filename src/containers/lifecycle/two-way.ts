import { Duplex, type Readable } from "node:stream";

/**
 * A stream whose output is that of `before` and then of `live`, and whose input goes to `live`, which may come later: input waits for
 * it. Ends with `live`; `onClose` is called once, however it ends.
 */
export function twoWay(before: Readable | undefined, live: Promise<Duplex> | undefined, onClose: () => void): Duplex {
  let connected: Duplex | undefined;
  async function* output(): AsyncGenerator<Buffer> {
    if (before) yield* before as AsyncIterable<Buffer>;
    if (live) yield* (await live) as AsyncIterable<Buffer>;
  }
  const chunks = output();
  const withLive = (task: (target: Duplex) => void, otherwise: (error?: Error) => void): void => {
    if (!live) return otherwise();
    live.then(
      (target) => (target.writable ? task(target) : otherwise()),
      () => otherwise(),
    );
  };
  const stream = new Duplex({
    read() {
      chunks.next().then(
        ({ done, value }) => stream.push(done ? null : value),
        (error: unknown) => stream.destroy(error as Error),
      );
    },
    // What is written after the other side has closed is lost, as with Docker.
    write: (chunk: Buffer, _encoding, settle) => withLive((target) => target.write(chunk, () => settle()), settle),
    final: (settle) => withLive((target) => target.end(() => settle()), settle),
    destroy(error, settle) {
      onClose();
      before?.destroy();
      connected?.destroy();
      settle(error);
    },
  });
  live?.then(
    (target) => {
      connected = target;
      if (stream.destroyed) target.destroy();
    },
    (error: unknown) => stream.destroy(error as Error),
  );
  return stream;
}
