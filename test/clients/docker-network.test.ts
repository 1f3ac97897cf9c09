// Networks with the real CLI: names, isolation, published ports, connect and disconnect, and what is refused.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { startGantry, type Result, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

let gantry: TestGantry;
const docker = (...args: string[]): Promise<Result> => gantry.docker(...args);

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await docker(...args);
  assert.equal(code, 0, `docker ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

async function refused(pattern: RegExp, ...args: string[]): Promise<void> {
  const { code, stderr } = await docker(...args);
  assert.notEqual(code, 0, `docker ${args.join(" ")} should fail`);
  assert.match(stderr, pattern);
}

/** A web server in the background; its document is its name. */
const serve = (name: string, ...flags: string[]): Promise<string> =>
  ok(
    "run",
    "-d",
    "--name",
    name,
    ...flags,
    "busybox",
    "sh",
    "-c",
    `mkdir /w; echo ${name} > /w/index.html; exec httpd -f -p 80 -h /w`,
  );

async function get(url: string): Promise<string> {
  const { stdout, stderr, code } = await gantry.run("curl", [
    "-sS",
    "--max-time",
    "3",
    "--retry",
    "5",
    "--retry-connrefused",
    "--retry-delay",
    "0",
    url,
  ]);
  return code === 0 ? stdout.trim() : stderr.trim();
}

/** A page's text, or the error, from a fresh container on a network. (The static busybox's wget cannot look names up.) */
async function fetchOn(network: string, host: string, port = 80): Promise<string> {
  const script = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${host} ${port} | tail -n 1`;
  const { stdout, stderr } = await docker("run", "--rm", "--network", network, "busybox", "sh", "-c", script);
  return stdout.trim() || stderr.trim();
}

before(async () => {
  gantry = await startGantry({ flags: ["--no-kubernetes"] });
  await ok("load", "-i", await testImage("busybox"));
});

describe("user-defined networks", () => {
  test("containers find each other by name and alias, and by nothing else", async () => {
    const id = await ok("network", "create", "--label", "of=test", "red");
    assert.match(id, /^[0-9a-f]{64}$/);
    await serve("one", "--network", "red", "--network-alias", "www");
    await serve("two", "--network", "red");
    assert.equal(await fetchOn("red", "one"), "one");
    assert.equal(await fetchOn("red", "www"), "one");
    assert.match(
      await ok("run", "--rm", "--network", "red", "busybox", "cat", "/etc/resolv.conf"),
      /^nameserver 127\.0\.0\.11$/m,
    );
    await serve("alone");
    assert.match(await fetchOn("bridge", "one"), /bad address|timed out/);
    assert.equal(
      await ok("network", "inspect", "-f", '{{len .Containers}} {{ne (index .IPAM.Config 0).Subnet ""}}', "red"),
      "2 true",
    );
    assert.match(
      await ok("network", "ls", "--filter", "label=of=test", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"),
      /^red bridge local$/,
    );
  });

  test("a running container joins and leaves", async () => {
    await ok("network", "connect", "--alias", "late", "red", "alone");
    assert.equal(await fetchOn("red", "late"), "alone");
    await ok("network", "disconnect", "red", "alone");
    assert.match(await fetchOn("red", "late"), /bad address/);
  });

  test("fixed addresses, subnets and gateways", async () => {
    await ok(
      "network",
      "create",
      "--subnet",
      "10.77.0.0/24",
      "--gateway",
      "10.77.0.254",
      "--ip-range",
      "10.77.0.128/25",
      "fixed",
    );
    await ok("run", "-d", "--name", "pinned", "--network", "fixed", "--ip", "10.77.0.9", "busybox", "sleep", "60");
    assert.equal(
      await ok(
        "inspect",
        "-f",
        "{{.NetworkSettings.Networks.fixed.IPAddress}} {{.NetworkSettings.Networks.fixed.Gateway}}",
        "pinned",
      ),
      "10.77.0.9 10.77.0.254",
    );
    await refused(
      /Address already in use/,
      "run",
      "--rm",
      "--network",
      "fixed",
      "--ip",
      "10.77.0.9",
      "busybox",
      "true",
    );
    await refused(
      /invalid pool request: Pool overlaps with other one on this address space/,
      "network",
      "create",
      "--subnet",
      "10.77.0.0/16",
      "wide",
    );
    await refused(
      /invalid subnet 10\.78\.0\.1\/24: it should be 10\.78\.0\.0\/24/,
      "network",
      "create",
      "--subnet",
      "10.78.0.1/24",
      "odd",
    );
  });

  test("what is refused: names in use, predefined networks, networks in use, unknown ones", async () => {
    await refused(/network with name red already exists/, "network", "create", "red");
    await refused(/operation is not permitted on predefined bridge network/, "network", "create", "bridge");
    await refused(/bridge is a pre-defined network and cannot be removed/, "network", "rm", "bridge");
    await refused(/network red has active endpoints/, "network", "rm", "red");
    await refused(/network nowhere not found/, "network", "rm", "nowhere");
    await refused(/network nowhere not found/, "run", "--rm", "--network", "nowhere", "busybox", "true");
  });

  test("an internal network has no way out, and its names stay inside", async () => {
    await ok("network", "create", "--internal", "inner");
    assert.match(await ok("run", "--rm", "--network", "inner", "busybox", "ip", "route"), /^(?!.*default)/s);
    const { stdout } = await docker("run", "--rm", "--network", "inner", "busybox", "nslookup", "example.com");
    assert.match(stdout, /SERVFAIL|server can't find/);
  });
});

describe("published ports", () => {
  test("from localhost, from another container, on one address only, on any port", async () => {
    await serve("web", "-p", "18080:80", "-p", "127.0.0.1:18081:80", "-p", "80");
    assert.equal(await get("http://127.0.0.1:18080/"), "web");
    assert.equal(await get("http://localhost:18081/"), "web");
    const [, chosen = ""] =
      /:(\d+)$/.exec((await ok("port", "web", "80/tcp")).split("\n").find((line) => !/1808[01]/.test(line)) ?? "") ??
      [];
    assert.equal(await get(`http://127.0.0.1:${chosen}/`), "web");
    const gateway = await ok("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge");
    assert.equal(await fetchOn("red", gateway, 18080), "web", "from another network by the host's address");
    assert.match(await fetchOn("red", gateway, 18081), /refused|timed out|^$/);
    assert.match(await ok("ps", "--filter", "name=web", "--format", "{{.Ports}}"), /0\.0\.0\.0:18080->80\/tcp/);
  });

  test("a port that is taken is refused in Docker's words, and nothing is left behind", async () => {
    await refused(
      /driver failed programming external connectivity on endpoint again \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:18080 failed: port is already allocated/,
      "run",
      "-d",
      "--name",
      "again",
      "-p",
      "18080:80",
      "busybox",
      "sleep",
      "60",
    );
    await ok("rm", "again");
    await ok("rm", "-f", "web");
    await serve("next", "-p", "18080:80");
    assert.equal(await get("http://127.0.0.1:18080/"), "next");
  });

  test("they answer while the daemon is down, and after it has come back", async () => {
    await gantry.kill();
    assert.equal(await get("http://127.0.0.1:18080/"), "next");
    await gantry.restart();
    assert.equal(await get("http://127.0.0.1:18080/"), "next");
    assert.equal(await fetchOn("red", "one"), "one", "names too");
  });
});
