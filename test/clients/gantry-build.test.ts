// `gantry build`: what the classic protocol cannot carry, through the command itself.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, lstatSync, readFileSync, readlinkSync } from "node:fs";
import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createSocket } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { dockerOk } from "#test/docker-cli.ts";
import { startGantry, type Result, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

const project = new URL("../../", import.meta.url).pathname;
let gantry: TestGantry;
const closing: (() => unknown)[] = [];
const ok = (...args: string[]): Promise<string> => dockerOk(gantry, ...args);

before(async () => {
  gantry = await startGantry({ flags: ["--no-kubernetes"] });
  await ok("load", "-i", await testImage("busybox"));
});
after(() => closing.forEach((close) => close()));

type Files = Record<string, string | Buffer>;

async function folder(files: Files): Promise<string> {
  const directory = await mkdtemp(join(gantry.root, "ctx-"));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(directory, name, ".."), { recursive: true });
    await writeFile(join(directory, name), content);
  }
  return directory;
}

function gantryBuild(args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  const variables = Object.entries({ GANTRY_SOURCE: "1", ...env }).map(([name, value]) => `${name}=${value}`);
  return gantry.run("env", [...variables, join(project, "bin/gantry"), "--root", gantry.root, "build", ...args]);
}

async function built(args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  const result = await gantryBuild(args, env);
  assert.equal(result.code, 0, result.stderr);
  return result;
}

describe("progress", () => {
  test("plain: steps, output, what was cached; the image's id with -q", async () => {
    const ctx = await folder({ Dockerfile: "FROM busybox\nRUN echo one; echo two\nENV A=1" });
    const first = await built(["-t", "plain", ctx]);
    assert.match(first.stderr, /#1 \[1\/2\] FROM busybox\n#1 DONE \d+\.\ds\n\n/);
    assert.match(first.stderr, /#2 \[2\/2\] RUN echo one; echo two\n#2 \d+\.\d{3} one\n#2 \d+\.\d{3} two\n#2 DONE/);
    assert.match(first.stderr, /named plain:latest/);
    assert.match((await built([ctx])).stderr, /#2 \[2\/2\] RUN echo one; echo two\n#2 CACHED/);
    assert.match((await built(["-q", ctx])).stdout, /^sha256:[0-9a-f]{64}\n$/);
  });

  test("on a terminal the graph is drawn in place", async () => {
    const ctx = await folder({ Dockerfile: "FROM busybox\nRUN echo drawn" });
    const { stderr } = await built(["--progress", "tty", "--no-cache", ctx]);
    assert.match(stderr, /\[\+\] Building \d+\.\ds \(2\/2\) FINISHED/);
    assert.match(stderr, / => \[2\/2\] RUN echo drawn +\d+\.\ds/);
  });

  test("a failure shows the Dockerfile's lines and the output", async () => {
    const ctx = await folder({ Dockerfile: "FROM busybox\n\nRUN echo before && \\\n    exit 7\nRUN true" });
    const { code, stderr } = await gantryBuild(["--progress", "quiet", ctx]);
    assert.equal(code, 1);
    assert.equal(
      stderr,
      `------
 > [2/3] RUN echo before &&     exit 7:
before
------
Dockerfile:3
--------------------
   1 |     FROM busybox
   2 |     
   3 | >>> RUN echo before && \\
   4 | >>>     exit 7
   5 |     RUN true
--------------------
ERROR: failed to solve: process "/bin/sh -c echo before &&     exit 7" did not complete successfully: exit code: 7
`,
    );
  });

  test("stages run side by side", async () => {
    // Each waits for the other: one after the other they would wait for ever.
    const wait = (mine: string, other: string): string =>
      `RUN --mount=type=cache,target=/meet touch /meet/${mine}; i=0; until [ -e /meet/${other} ]; do i=$((i+1)); [ $i -lt 100 ] || exit 1; sleep 0.05; done; echo ${mine} > /${mine}`;
    const dockerfile = `FROM busybox AS a\n${wait("a", "b")}\nFROM busybox AS b\n${wait("b", "a")}\nFROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /`;
    await built(["-t", "both", await folder({ Dockerfile: dockerfile })]);
  });
});

describe("secrets, ssh, contexts", () => {
  test("a secret is a file or a variable of one command, and nowhere else", async () => {
    const dockerfile = `FROM busybox
RUN --mount=type=secret,id=token,required=true stat -c '%a %u' /run/secrets/token > /seen && cat /run/secrets/token | rev >> /seen
RUN --mount=type=secret,id=token,target=/key,mode=0444,uid=7 stat -c '%a %u' /key >> /seen
RUN --mount=type=secret,id=other,env=OTHER echo "$OTHER" | rev >> /seen
RUN --mount=type=secret,id=nobody cat /run/secrets/nobody || echo none >> /seen
RUN ls /run/secrets /key 2>/dev/null; env | grep OTHER || true`;
    const ctx = await folder({ Dockerfile: dockerfile, token: "s3cret-word" });
    const args = [
      "--secret",
      `id=token,src=${ctx}/token`,
      "--secret",
      "id=other,env=MINE",
      "-t",
      "secret",
      "-f",
      join(ctx, "Dockerfile"),
    ];
    const { stderr } = await built([...args, await folder({})], { MINE: "other-word" });
    assert.equal(await ok("run", "--rm", "secret", "cat", "/seen"), "400 0\ndrow-terc3s444 7\ndrow-rehto\nnone");
    assert.doesNotMatch(stderr, /s3cret-word|other-word/);
    const traces = execFileSync("sh", ["-c", `grep -rl 's3cret-word' ${gantry.root}/data ${gantry.root}/run || true`]);
    assert.equal(traces.toString(), "");
    const missing = await gantryBuild(["--no-cache", "-f", join(ctx, "Dockerfile"), await folder({})]);
    assert.match(missing.stderr, /secret token: not found: give it with gantry build --secret id=token,src=<file>/);
  });

  test("an agent's socket is there while a command runs", async () => {
    const dockerfile = `FROM busybox
RUN --mount=type=ssh,required=true test -S "$SSH_AUTH_SOCK" && echo "$SSH_AUTH_SOCK" > /where`;
    const ctx = await folder({ Dockerfile: dockerfile });
    const agent = createSocket().listen(join(ctx, "agent.sock"));
    closing.push(() => agent.close());
    await once(agent, "listening");
    await built(["--ssh", "default", "-t", "ssh", ctx], { SSH_AUTH_SOCK: join(ctx, "agent.sock") });
    assert.equal(await ok("run", "--rm", "ssh", "cat", "/where"), "/run/buildkit/ssh_agent.0");
    assert.match((await gantryBuild(["--no-cache", ctx])).stderr, /ssh default: not found/);
  });

  test("named contexts: a directory, an image", async () => {
    const lib = await folder({ "lib.txt": "lib", "no.txt": "no", ".dockerignore": "no.txt" });
    const dockerfile = `FROM base
COPY --from=lib / /lib/
RUN --mount=type=bind,from=lib,target=/m cp /m/lib.txt /copied`;
    const ctx = await folder({ Dockerfile: dockerfile });
    await built([
      "--build-context",
      `lib=${lib}`,
      "--build-context",
      "base=docker-image://busybox",
      "-t",
      "named",
      ctx,
    ]);
    assert.equal(await ok("run", "--rm", "named", "sh", "-c", "ls /lib; cat /copied"), "lib.txt\nlib");
  });

  test("FROM a named context that is a directory: an image of nothing but its files", async () => {
    const dockerfile = "FROM rootfs\nCOPY more /more";
    const ctx = await folder({ Dockerfile: dockerfile, more: "more" });
    const rootfs = await folder({ "bin/sh": "a shell", "left.out": "no", ".dockerignore": "left.out" });
    await built(["--build-context", `rootfs=${rootfs}`, "-t", "from-directory", ctx]);
    const id = await ok("create", "from-directory", "x");
    const listed = await gantry.run("sh", [
      "-c",
      `docker export ${id} | tar -t | grep -v '^\\(.dockerenv\\|dev\\|etc\\|proc\\|sys\\)'`,
    ]);
    await ok("rm", id);
    assert.deepEqual(listed.stdout.split("\n").filter(Boolean).sort(), [".dockerignore", "bin/", "bin/sh", "more"]);
    const history = await ok("history", "--no-trunc", "--format", "{{.CreatedBy}}", "from-directory");
    assert.match(history, /COPY more \/more\n\[context rootfs\] load from client/);
    await writeFile(join(rootfs, "bin/sh"), "another shell");
    const again = await built(["--build-context", `rootfs=${rootfs}`, ctx]);
    assert.doesNotMatch(again.stderr, /CACHED/, "its content is part of the key");
    const third = await built(["--build-context", `rootfs=${rootfs}`, ctx]);
    assert.match(third.stderr, /CACHED/);
  });

  test("the Dockerfile from elsewhere, with its own .dockerignore; or from standard input", async () => {
    const ctx = await folder({ a: "a", b: "b", "deep/c": "c" });
    const files = await folder({
      "my.Dockerfile": "FROM scratch\nCOPY . /",
      "my.Dockerfile.dockerignore": "a\ndeep\n!deep/c",
    });
    await built(["-f", join(files, "my.Dockerfile"), "-o", join(ctx, "out"), ctx]);
    assert.deepEqual(
      [existsSync(join(ctx, "out/a")), existsSync(join(ctx, "out/b")), existsSync(join(ctx, "out/deep/c"))],
      [false, true, true],
    );
    const child = spawn(join(project, "bin/gantry"), ["--root", gantry.root, "build", "-o", join(ctx, "in"), "-"], {
      env: { ...process.env, GANTRY_SOURCE: "1" },
      stdio: ["pipe", "ignore", "ignore"],
    });
    child.stdin.end("FROM scratch\nCOPY <<EOF /said\nhello\nEOF");
    assert.deepEqual(await once(child, "exit"), [0, null]);
    assert.equal(await readFile(join(ctx, "in/said"), "utf8"), "hello\n");
  });
});

describe("outputs", () => {
  test("local, tar, oci, docker", async () => {
    const ctx = await folder({
      Dockerfile:
        "FROM busybox AS make\nRUN mkdir -p /out/sub && echo x > /out/sub/file && chmod 751 /out/sub && ln -s sub/file /out/link && ln /out/sub/file /out/hard\nFROM scratch\nCOPY --from=make /out /",
    });
    const out = join(ctx, "out");
    await built(["-o", out, ctx]);
    assert.equal(readFileSync(join(out, "sub/file"), "utf8"), "x\n");
    assert.equal(readlinkSync(join(out, "link")), "sub/file");
    assert.equal(lstatSync(join(out, "sub")).mode & 0o777, 0o751);
    assert.equal(lstatSync(join(out, "hard")).ino, lstatSync(join(out, "sub/file")).ino);
    assert.equal(existsSync(join(out, "proc")), false, "nothing that only containers need");
    await built(["-o", `type=tar,dest=${ctx}/o.tar`, ctx]);
    assert.match(execFileSync("tar", ["-tf", `${ctx}/o.tar`]).toString(), /sub\/file/);
    await built(["-t", "exported:1", "-o", `type=oci,dest=${ctx}/oci.tar`, ctx]);
    assert.match(execFileSync("tar", ["-tf", `${ctx}/oci.tar`]).toString(), /oci-layout/);
    await ok("rmi", "exported:1");
    assert.match(await ok("load", "-i", `${ctx}/oci.tar`), /Loaded image: exported:1/);
    await built(["-o", "type=image,name=localhost:5000/pushed:1,push=true", ctx]);
    await ok("rmi", "localhost:5000/pushed:1");
    await ok("pull", "localhost:5000/pushed:1");
    assert.match(
      (await gantryBuild(["-o", "type=cacheonly", ctx])).stderr,
      /wanted type local, tar, oci, docker, image/,
    );
  });

  test("SOURCE_DATE_EPOCH: the same image twice, whatever ran", async () => {
    const ctx = await folder({
      Dockerfile: "FROM busybox\nWORKDIR /new\nRUN date > /dev/null; echo x > made\nCOPY Dockerfile /",
    });
    const ids = new Set<string>();
    for (let round = 0; round < 2; round++) {
      const { stdout } = await built(["-q", "--no-cache", ctx], { SOURCE_DATE_EPOCH: "1700000000" });
      ids.add(stdout);
      await new Promise((resolve) => setTimeout(resolve, 1100));
    }
    assert.equal(ids.size, 1);
    const id = [...ids][0]?.trim() ?? "";
    assert.equal(await ok("image", "inspect", "--format", "{{.Created}}", id), "2023-11-14T22:13:20.000Z");
    assert.equal(await ok("run", "--rm", id, "stat", "-c", "%Y", "/new/made"), "1700000000");
  });
});

describe("the cache", () => {
  test("--cache-from: steps of an image from a registry need not run", async () => {
    const ctx = await folder({
      Dockerfile: "FROM busybox\nCOPY f /f\nENV A=1\nRUN date +%N > /when\nRUN echo last > /last\n",
      f: "f",
    });
    const name = "localhost:5000/cached:1";
    await built(["-t", name, ctx]);
    await ok("push", name);
    const when = await ok("run", "--rm", name, "cat", "/when");
    await ok("rmi", name);
    await ok("builder", "prune", "-f");
    const again = await built(["-t", "again", "--cache-from", name, ctx]);
    assert.equal(again.stderr.match(/CACHED/g)?.length, 3, again.stderr);
    assert.equal(await ok("run", "--rm", "again", "cat", "/when"), when);
    await ok("rmi", name, "again");
    await ok("builder", "prune", "-f");
    const classic = await ok("build", "--cache-from", name, "-t", "again", ctx);
    assert.equal(classic.match(/Using cache/g)?.length, 3, classic);
    await writeFile(join(ctx, "f"), "changed");
    await ok("builder", "prune", "-f");
    assert.doesNotMatch((await built(["--cache-from", name, ctx])).stderr, /CACHED/);
  });
});

describe("repositories and archives", () => {
  let server: Server;
  let url = "";
  before(async () => {
    const work = await folder({
      "app/Dockerfile": "FROM busybox\nCOPY text /text\nRUN ls -a / > /ls",
      "app/text": "from git",
    });
    const git = (...args: string[]): Buffer =>
      execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@t", "-C", work, ...args], { stdio: "pipe" });
    git("init", "-q", "-b", "main");
    git("add", ".");
    git("commit", "-q", "-m", "one");
    git("tag", "v1");
    await writeFile(join(work, "app/text"), "newer");
    git("commit", "-q", "-a", "-m", "two");
    git("update-server-info");
    server = createServer((request, response) => {
      const path = (request.url ?? "").split("?")[0] ?? "";
      const file = path.startsWith("/app.git/") ? join(work, ".git", path.slice("/app.git/".length)) : join(work, path);
      if (existsSync(file) && lstatSync(file).isFile()) response.end(readFileSync(file));
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(() => server.close());
    const address = server.address();
    assert(address !== null && typeof address === "object");
    url = `http://127.0.0.1:${address.port}`;
    execFileSync("sh", ["-c", `cd ${work}/app && tar -cJf ../ctx.tar.xz . && tar -cjf ../ctx.tar.bz2 .`]);
  });

  test("a git context: branch, tag, directory; by both protocols", async () => {
    await built(["-t", "git1", `${url}/app.git#v1:app`]);
    assert.equal(await ok("run", "--rm", "git1", "cat", "/text"), "from git");
    await ok("build", "-t", "git2", `${url}/app.git#main:app`);
    assert.equal(await ok("run", "--rm", "git2", "cat", "/text"), "newer");
    assert.match((await gantryBuild([`${url}/app.git#main:nothing`])).stderr, /subdir not found: "nothing"/);
    assert.match((await gantryBuild([`${url}/app.git#--upload-pack=x`])).stderr, /invalid git reference/);
  });

  test("a context by URL: an archive, a Dockerfile; ADD of archives, URLs and repositories", async () => {
    await built(["-t", "xz", `${url}/ctx.tar.xz`]);
    assert.equal(await ok("run", "--rm", "xz", "cat", "/text"), "newer");
    assert.match((await gantryBuild([`${url}/app/Dockerfile`])).stderr, /COPY failed: file not found/);
    const dockerfile = `FROM busybox
ADD ctx.tar.bz2 /bz2/
ADD ctx.tar.xz /xz/
ADD --unpack=false ctx.tar.xz /packed/
ADD ${url}/app/text /url/
ADD --unpack=true ${url}/ctx.tar.xz /unpacked/
ADD ${url}/app.git#v1 /git
ADD --keep-git-dir=true ${url}/app.git /whole`;
    const ctx = await folder({ Dockerfile: dockerfile });
    execFileSync("sh", [
      "-c",
      `cd ${ctx} && mkdir t && echo in > t/in && tar -C t -cjf ctx.tar.bz2 . && tar -C t -cJf ctx.tar.xz . && rm -r t`,
    ]);
    await built(["-t", "added", ctx]);
    assert.equal(
      await ok(
        "run",
        "--rm",
        "added",
        "sh",
        "-c",
        "cat /bz2/in /xz/in; ls /packed /url /unpacked; cat /git/app/text; ls -a /git; ls /whole/.git/HEAD",
      ),
      "in\nin\n/packed:\nctx.tar.xz\n\n/unpacked:\nDockerfile\ntext\n\n/url:\ntext\nfrom git.\n..\napp\n/whole/.git/HEAD",
    );
  });
});

describe("checks", () => {
  test("--check says what to write otherwise; error=true ends the build", async () => {
    const ctx = await folder({ Dockerfile: "FROM busybox AS Build\nMAINTAINER me\nCMD echo hi" });
    const { code, stdout } = await gantryBuild(["--check", ctx]);
    assert.equal(code, 1);
    assert.match(stdout, /3 warnings have been found!/);
    assert.match(
      stdout,
      /WARNING: StageNameCasing - https:\/\/docs\.docker\.com\/go\/dockerfile\/rule\/stage-name-casing\//,
    );
    const strict = await folder({ Dockerfile: "# check=error=true\nFROM busybox\nCMD echo hi" });
    assert.match((await gantryBuild([strict])).stderr, /lint violation found for rules: JSONArgsRecommended/);
    assert.match(
      (await gantryBuild(["--check", await folder({ Dockerfile: "FROM busybox" })])).stdout,
      /no warnings found/,
    );
  });
});
