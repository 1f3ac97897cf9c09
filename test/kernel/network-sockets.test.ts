import assert from "node:assert/strict";
import { once } from "node:events";
import { createConnection, createServer, Socket, type AddressInfo } from "node:net";
import { createSocket } from "node:dgram";
import { before, test } from "node:test";
import { holdPort, openListener, openLocalConnection } from "#linux/inet-sockets.ts";
import { inNetns } from "#linux/netns.ts";
import { close, isSyscallError } from "#linux/syscalls.ts";
import { enterFreshHost, makeNetns } from "#test/isolated-network.ts";

before(enterFreshHost);

const listen = async (port: number, host: string): Promise<Error | undefined> => {
  const server = createServer();
  const outcome = once(server, "listening").then(
    () => undefined,
    (error: Error) => error,
  );
  server.listen(port, host);
  const error = await outcome;
  server.close();
  return error;
};

test("a held port is taken for everybody else, refuses connections, and is free afterwards", async () => {
  const fd = holdPort({ protocol: "tcp", address: "0.0.0.0", port: 8080 });
  assert.ok(fd !== undefined);
  assert.match(String(await listen(8080, "127.0.0.1")), /EADDRINUSE/);
  assert.match(String(await listen(8080, "0.0.0.0")), /EADDRINUSE/);
  assert.throws(
    () => holdPort({ protocol: "tcp", address: "127.0.0.1", port: 8080 }),
    (error) => isSyscallError(error, "EADDRINUSE"),
  );
  const [refused] = (await once(createConnection(8080, "127.0.0.1"), "error")) as [NodeJS.ErrnoException];
  assert.equal(refused.code, "ECONNREFUSED");
  close(fd);
  assert.equal(await listen(8080, "127.0.0.1"), undefined);
});

test("a port with a listener cannot be held; one with lingering connections can", async () => {
  const server = createServer((socket) => socket.end("bye"));
  server.listen(8081, "127.0.0.1");
  await once(server, "listening");
  assert.throws(
    () => holdPort({ protocol: "tcp", address: "0.0.0.0", port: 8081 }),
    (error) => isSyscallError(error, "EADDRINUSE"),
  );
  const client = createConnection(8081, "127.0.0.1");
  client.resume();
  await once(client, "close");
  server.close();
  await once(server, "close");
  // The server closed first: its side lingers in TIME_WAIT.
  const fd = holdPort({ protocol: "tcp", address: "0.0.0.0", port: 8081 });
  assert.ok(fd !== undefined);
  close(fd);
});

test("udp is held too", () => {
  const fd = holdPort({ protocol: "udp", address: "0.0.0.0", port: 5353 });
  assert.ok(fd !== undefined);
  assert.throws(
    () => holdPort({ protocol: "udp", address: "127.0.0.1", port: 5353 }),
    (error) => isSyscallError(error, "EADDRINUSE"),
  );
  close(fd);
});

test("sockets made inside another namespace serve there, from this event loop", async () => {
  const box = await makeNetns();
  const tcp = inNetns(box.pid, () => openListener({ protocol: "tcp", address: "127.0.0.11", port: 0 }));
  const server = createServer((socket) => socket.end("inside"));
  server.listen({ fd: tcp.fd });
  await once(server, "listening");
  assert.equal((server.address() as AddressInfo).port, tcp.port);
  const client = new Socket({ fd: inNetns(box.pid, () => openLocalConnection("127.0.0.11", tcp.port)) });
  const [chunk] = (await once(client, "data")) as [Buffer];
  assert.equal(String(chunk), "inside");
  client.destroy();
  server.close();
  assert.throws(
    () => inNetns(box.pid, () => openLocalConnection("127.0.0.1", 9)),
    (error) => isSyscallError(error, "ECONNREFUSED"),
  );

  const udp = inNetns(box.pid, () => openListener({ protocol: "udp", address: "127.0.0.11", port: 0 }));
  const echo = createSocket("udp4");
  echo.bind({ fd: udp.fd });
  echo.on("message", (message, from) => echo.send(message, from.port, from.address));
  const other = inNetns(box.pid, () => openListener({ protocol: "udp", address: "127.0.0.1", port: 0 }));
  const asker = createSocket("udp4");
  asker.bind({ fd: other.fd });
  asker.send("hello", udp.port, "127.0.0.11");
  const [message] = (await once(asker, "message")) as [Buffer];
  assert.equal(String(message), "hello");
  asker.close();
  echo.close();
});
