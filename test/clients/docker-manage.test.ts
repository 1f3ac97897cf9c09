// The real docker CLI: cp, diff, export, commit, port, networks, volumes, df, prune, and containers that share.
import assert from "node:assert/strict";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { dockerOk, until } from "#test/docker-cli.ts";
import { startGantry, type Result, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

let gantry: TestGantry;
const docker = (...args: string[]): Promise<Result> => gantry.docker(...args);

const ok = (...args: string[]): Promise<string> => dockerOk(gantry, ...args);

before(async () => {
  gantry = await startGantry({ flags: ["--no-kubernetes"] });
  await ok("load", "-i", await testImage("busybox"));
});

describe("files of containers", () => {
  test("cp both ways, of a running and of a stopped one, with volumes", async () => {
    const host = join(gantry.root, "cp");
    await mkdir(join(host, "tree/sub"), { recursive: true });
    await writeFile(join(host, "tree/sub/f"), "from the host");
    await ok("run", "-d", "--name", "files", "-v", "vol:/vol", "--tmpfs", "/tmpfs", "busybox", "sleep", "100");
    for (const phase of ["running", "stopped"]) {
      await ok("cp", join(host, "tree"), `files:/${phase}`);
      await ok("cp", join(host, "tree/sub/f"), `files:/vol/${phase}`);
      await ok("cp", `files:/${phase}/sub/f`, join(host, `back-${phase}`));
      assert.equal(await readFile(join(host, `back-${phase}`), "utf8"), "from the host");
      assert.equal((await stat(join(host, `back-${phase}`))).isFile(), true);
      await ok("cp", "files:/etc/.", join(host, `etc-${phase}`));
      assert.ok((await stat(join(host, `etc-${phase}/passwd`))).size > 0);
      await ok("cp", `files:/vol/${phase}`, join(host, `vol-${phase}`));
      if (phase === "running") await ok("stop", "-t", "0", "files");
    }
    assert.match(
      (await docker("cp", "files:/nothing", host)).stderr,
      /Could not find the file \/nothing in container files/,
    );
    const piped = await gantry.run("sh", ["-c", "docker cp files:/etc/passwd - | tar -t"]);
    assert.equal(piped.stdout, "passwd\n");
    await ok("rm", "files");
    await ok("volume", "rm", "vol");
  });

  test("diff, export and commit", async () => {
    await ok(
      "run",
      "--name",
      "changed",
      "busybox",
      "sh",
      "-c",
      "echo new > /made; rm /etc/passwd; echo more >> /etc/group",
    );
    assert.deepEqual((await ok("diff", "changed")).split("\n").toSorted(), [
      "A /made",
      "C /etc",
      "C /etc/group",
      "D /etc/passwd",
    ]);
    const listed = await gantry.run("sh", ["-c", "docker export changed | tar -t | grep -x made"]);
    assert.equal(listed.stdout, "made\n");
    const id = await ok(
      "commit",
      "-m",
      "why",
      "-a",
      "me",
      "--change",
      "ENV A=1",
      "--change",
      'CMD ["cat", "/made"]',
      "changed",
      "kept:1",
    );
    assert.match(id, /^sha256:[0-9a-f]{64}$/);
    assert.equal(await ok("run", "--rm", "kept:1"), "new");
    assert.equal((await docker("run", "--rm", "kept:1", "cat", "/etc/passwd")).code, 1);
    assert.equal(await ok("image", "inspect", "--format", "{{.Author}} {{.Comment}}", "kept:1"), "me why");
    await ok("rm", "changed");
  });
});

describe("networks", () => {
  test("create, inspect, names, static addresses, connect and disconnect, remove", async () => {
    await ok("network", "create", "--subnet", "10.213.0.0/24", "--label", "a=b", "front");
    assert.match((await docker("network", "create", "front")).stderr, /network with name front already exists/);
    assert.match(
      (await docker("network", "create", "bridge")).stderr,
      /operation is not permitted on predefined bridge network/,
    );
    assert.match((await docker("network", "create", "-d", "nope", "x")).stderr, /nope/);
    await ok(
      "run",
      "-d",
      "--name",
      "one",
      "--network",
      "front",
      "--ip",
      "10.213.0.77",
      "--network-alias",
      "uno",
      "busybox",
      "sleep",
      "100",
    );
    assert.equal(
      await ok("inspect", "--format", "{{.NetworkSettings.Networks.front.IPAddress}}", "one"),
      "10.213.0.77",
    );
    for (const name of ["one", "uno"])
      assert.match(
        await ok("run", "--rm", "--network", "front", "busybox", "ping", "-c", "1", "-W", "2", name),
        /1 packets received/,
      );
    assert.match(
      await ok("network", "inspect", "--format", "{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}", "front"),
      /^one 10\.213\.0\.77\/24$/,
    );
    await ok("network", "create", "back");
    await ok("network", "connect", "--alias", "eins", "back", "one");
    assert.match(await ok("exec", "one", "ip", "addr"), /eth1/);
    assert.match(
      await ok("run", "--rm", "--network", "back", "busybox", "ping", "-c", "1", "-W", "2", "eins"),
      /1 packets received/,
    );
    await ok("network", "disconnect", "back", "one");
    assert.doesNotMatch(await ok("exec", "one", "ip", "addr"), /eth1/);
    assert.match((await docker("network", "rm", "front")).stderr, /has active endpoints/);
    assert.match((await docker("network", "rm", "bridge")).stderr, /is a pre-defined network and cannot be removed/);
    await ok("rm", "-f", "one");
    assert.equal(await ok("network", "ls", "-q", "--filter", "label=a=b", "--format", "{{.Name}}"), "front");
    await ok("network", "rm", "front", "back");
    assert.match((await docker("network", "inspect", "front")).stderr, /network front not found/);
  });

  test("what a network may not be asked", async () => {
    assert.match(
      (await docker("run", "--rm", "--network", "nowhere", "busybox", "true")).stderr,
      /network nowhere not found/,
    );
    assert.match(
      (await docker("run", "--rm", "--ip", "172.17.0.9", "busybox", "true")).stderr,
      /user specified IP address is supported on user defined networks only/,
    );
    assert.equal(await ok("ps", "-aq", "--filter", "status=running"), "");
    await ok("container", "prune", "-f");
  });
});

describe("volumes", () => {
  test("create, inspect, copy-up, in use, labels, remove", async () => {
    await ok("volume", "create", "--label", "k=v", "named");
    assert.equal(
      await ok("volume", "inspect", "--format", "{{.Driver}} {{.Labels.k}} {{.Scope}}", "named"),
      "local v local",
    );
    assert.match(await ok("run", "--rm", "-v", "named:/etc", "busybox", "ls", "/etc"), /passwd/);
    await ok("create", "--name", "user", "-v", "named:/x", "-v", "/anonymous", "busybox");
    assert.match((await docker("volume", "rm", "named")).stderr, /volume is in use - \[[0-9a-f]{64}\]/);
    assert.equal((await ok("volume", "ls", "-q")).split("\n").length, 2);
    await ok("rm", "-v", "user");
    assert.equal(await ok("volume", "ls", "-q"), "named");
    assert.match((await docker("volume", "inspect", "nothing")).stderr, /nothing/);
    assert.match(
      (await docker("volume", "create", "a/b")).stderr,
      /includes invalid characters for a local volume name/,
    );
    await ok("volume", "rm", "named");
  });

  test("volumes of another container", async () => {
    await ok("create", "--name", "store", "-v", "shared:/data", "busybox");
    await ok("run", "--rm", "--volumes-from", "store", "busybox", "sh", "-c", "echo 1 > /data/x");
    assert.notEqual((await docker("run", "--rm", "--volumes-from", "store:ro", "busybox", "touch", "/data/y")).code, 0);
    await ok("rm", "store");
    await ok("volume", "rm", "shared");
  });
});

describe("what containers may be asked", () => {
  test("namespaces, capabilities, limits of processes, kernel parameters, names", async () => {
    await ok("run", "-d", "--name", "donor", "--ipc", "shareable", "-h", "donor", "busybox", "sleep", "100");
    const links = (flags: string[], kind: string): Promise<string> =>
      ok("run", "--rm", ...flags, "busybox", "readlink", `/proc/self/ns/${kind}`);
    const donor = (kind: string): Promise<string> => ok("exec", "donor", "readlink", `/proc/self/ns/${kind}`);
    assert.equal(await links(["--pid", "container:donor"], "pid"), await donor("pid"));
    assert.equal(await links(["--ipc", "container:donor"], "ipc"), await donor("ipc"));
    assert.equal(await links(["--network", "container:donor"], "net"), await donor("net"));
    assert.equal(await ok("run", "--rm", "--network", "container:donor", "busybox", "hostname"), "donor");
    await ok("rm", "-f", "donor");
    const caps = async (...flags: string[]): Promise<string> =>
      ok("run", "--rm", ...flags, "busybox", "sh", "-c", "grep CapBnd /proc/self/status | cut -f2");
    assert.equal(await caps(), "00000000a80425fb");
    assert.equal(await caps("--cap-drop", "ALL", "--cap-add", "CHOWN"), "0000000000000001");
    assert.equal(
      await ok("run", "--rm", "--ulimit", "nofile=123:456", "busybox", "sh", "-c", "ulimit -n; ulimit -Hn"),
      "123\n456",
    );
    assert.equal(
      await ok("run", "--rm", "--sysctl", "net.core.somaxconn=77", "busybox", "cat", "/proc/sys/net/core/somaxconn"),
      "77",
    );
    assert.match(
      await ok("run", "--rm", "--add-host", "there:1.2.3.4", "busybox", "cat", "/etc/hosts"),
      /1\.2\.3\.4\s+there/,
    );
    assert.match(
      await ok("run", "--rm", "--dns", "9.9.9.9", "--dns-search", "example.org", "busybox", "cat", "/etc/resolv.conf"),
      /search example\.org/,
    );
    assert.equal(
      await ok(
        "run",
        "--rm",
        "--shm-size",
        "16m",
        "busybox",
        "sh",
        "-c",
        "df -k /dev/shm | tail -1 | awk '{print $2}'",
      ),
      "16384",
    );
    assert.equal(
      await ok(
        "run",
        "--rm",
        "--security-opt",
        "no-new-privileges",
        "busybox",
        "sh",
        "-c",
        "grep NoNewPrivs /proc/self/status | cut -f2",
      ),
      "1",
    );
    assert.equal(
      await ok("run", "--rm", "--oom-score-adj", "500", "busybox", "cat", "/proc/self/oom_score_adj"),
      "500",
    );
    assert.equal(
      await ok("run", "--rm", "--device", "/dev/loop-control:/dev/mine:r", "busybox", "ls", "/dev/mine"),
      "/dev/mine",
    );
  });

  test("links name another container, also after it came back with another address", async () => {
    await ok("run", "-d", "--name", "linked", "busybox", "sleep", "100");
    await ok("run", "-d", "--name", "linker", "--link", "linked:db", "busybox", "sleep", "100");
    assert.match(await ok("exec", "linker", "ping", "-c", "1", "-W", "2", "db"), /1 packets received/);
    await ok("stop", "-t", "0", "linked");
    await ok("run", "-d", "--name", "between", "busybox", "sleep", "100");
    await ok("start", "linked");
    const address = await ok("inspect", "--format", "{{.NetworkSettings.IPAddress}}", "linked");
    assert.match(await ok("exec", "linker", "cat", "/etc/hosts"), new RegExp(`^${address}\\s+db .*linked$`, "m"));
    await ok("kill", "linked");
    await ok("stop", "-t", "0", "linker");
    assert.match(
      (await docker("start", "linker")).stderr,
      /Cannot link to a non running container: \/linked AS \/linker\/db/,
    );
    assert.match((await docker("run", "--link", "nobody:x", "busybox")).stderr, /could not get container for nobody/);
    await ok("rm", "-f", "linked", "linker", "between");
  });

  test("a health check is told by ps and inspect", async () => {
    await ok(
      "run",
      "-d",
      "--name",
      "well",
      "--health-cmd",
      "true",
      "--health-interval",
      "200ms",
      "busybox",
      "sleep",
      "100",
    );
    await until(async () => (await ok("inspect", "--format", "{{.State.Health.Status}}", "well")) === "healthy");
    assert.match(
      await ok("ps", "--filter", "health=healthy", "--format", "{{.Names}} {{.Status}}"),
      /^well Up .* \(healthy\)$/,
    );
    await ok("rm", "-f", "well");
  });

  test("ps filters", async () => {
    await ok("create", "--name", "f1", "--label", "x=1", "busybox");
    await ok("create", "--name", "f2", "--label", "x=2", "busybox");
    const names = async (...filters: string[]): Promise<string> =>
      (await ok("ps", "-a", "--format", "{{.Names}}", ...filters.flatMap((each) => ["--filter", each])))
        .split("\n")
        .toSorted()
        .join(" ");
    assert.equal(await names("label=x"), "f1 f2");
    assert.equal(await names("label=x=2"), "f2");
    assert.equal(await names("name=^/?f1$"), "f1");
    assert.equal(await names("status=running"), "");
    assert.equal(await names("ancestor=busybox", "since=f1"), "f2");
    assert.equal(await names("before=f2"), "f1");
    assert.match((await docker("ps", "--filter", "nope=1")).stderr, /invalid filter 'nope'/);
    await ok("rm", "f1", "f2");
  });
});

describe("cleaning up", () => {
  test("system df and the prunes", async () => {
    await ok("create", "--name", "old", "-v", "/anon", "busybox");
    await ok("network", "create", "unused");
    await ok("tag", "busybox", "spare:1");
    assert.match(await ok("system", "df"), /Images\s+\d+/);
    assert.match(await ok("system", "df", "-v"), /Local Volumes space usage/);
    assert.match(await ok("container", "prune", "-f"), /Deleted Containers:\n[0-9a-f]{64}/);
    assert.match(await ok("volume", "prune", "-f"), /Deleted Volumes:\n[0-9a-f]{64}/);
    assert.match(await ok("network", "prune", "-f"), /Deleted Networks:\nunused/);
    assert.match(await ok("system", "prune", "-f"), /Total reclaimed space/);
    await ok("image", "prune", "-af");
    assert.equal(await ok("images", "-q"), "");
  });
});
