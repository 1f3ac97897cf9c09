// dockerode, the Docker client of Node programs, against a running Gantry.
import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { PassThrough, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { before, describe, test } from "node:test";
import Docker from "dockerode";
import { startGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

let docker: Docker;

before(async () => {
  const gantry = await startGantry({ flags: ["--no-kubernetes"] });
  docker = new Docker({ socketPath: `${gantry.root}/run/docker.sock` });
  const progress = await docker.loadImage(createReadStream(await testImage("busybox")));
  assert.match(await text(progress as Readable), /Loaded image: busybox:latest/);
});

describe("dockerode", () => {
  test("ping, version, info", async () => {
    assert.equal(String(await docker.ping()), "OK");
    assert.equal((await docker.version()).ApiVersion, "1.51");
    assert.equal(((await docker.info()) as { OSType: string }).OSType, "linux");
  });

  test("run with output, and wait", async () => {
    const out = new PassThrough();
    const collected = text(out);
    const [result, container] = (await docker.run("busybox", ["sh", "-c", "echo hi; exit 5"], out, { Tty: false })) as [
      { StatusCode: number },
      Docker.Container,
    ];
    out.end();
    assert.equal(result.StatusCode, 5);
    assert.match(await collected, /hi/);
    await container.remove();
  });

  test("attach with a hijacked stream, both ways", async () => {
    const container = await docker.createContainer({
      Image: "busybox",
      Cmd: ["cat"],
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
    });
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, hijack: true });
    const out = new PassThrough();
    container.modem.demuxStream(stream, out, out);
    const collected = text(out);
    stream.on("end", () => out.end());
    await container.start();
    stream.write("typed\n");
    stream.end();
    await container.wait();
    assert.equal(await collected, "typed\n");
    await container.remove();
  });

  test("exec, with its exit code", async () => {
    const container = await docker.createContainer({ Image: "busybox", Cmd: ["sleep", "100"] });
    await container.start();
    const exec = await container.exec({ Cmd: ["sh", "-c", "echo in; exit 6"], AttachStdout: true, AttachStderr: true });
    const stream = await exec.start({ hijack: true, stdin: false });
    const out = new PassThrough();
    container.modem.demuxStream(stream, out, out);
    const collected = text(out);
    stream.on("end", () => out.end());
    assert.equal(await collected, "in\n");
    assert.equal((await exec.inspect()).ExitCode, 6);
    await container.remove({ force: true });
  });

  test("a stats reading, a list, an error with its status", async () => {
    const container = await docker.createContainer({ Image: "busybox", Cmd: ["sleep", "100"], Labels: { a: "b" } });
    await container.start();
    const stats = await container.stats({ stream: false, "one-shot": true });
    assert.ok(stats.memory_stats.usage > 0);
    const found = await docker.listContainers({ filters: { label: ["a=b"] } });
    assert.equal(found[0]?.Id, container.id);
    await container.remove({ force: true });
    await assert.rejects(container.inspect(), { statusCode: 404, reason: "no such container" });
  });
});
