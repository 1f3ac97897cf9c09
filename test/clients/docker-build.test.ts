// `docker build` with the real CLI over the classic protocol.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { before, describe, test } from "node:test";
import { dockerOk } from "#test/docker-cli.ts";
import { startGantry, type Result, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";

let gantry: TestGantry;
const docker = (...args: string[]): Promise<Result> => gantry.docker(...args);

const ok = (...args: string[]): Promise<string> => dockerOk(gantry, ...args);

/** A context of these files; a value is a file's text or bytes. */
async function context(files: Record<string, string | Buffer>): Promise<string> {
  const directory = await mkdtemp(join(gantry.root, "ctx-"));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(directory, name, ".."), { recursive: true });
    await writeFile(join(directory, name), content);
  }
  return directory;
}

/** Builds a Dockerfile with files beside it; gives the image's id. */
async function build(
  dockerfile: string,
  files: Record<string, string | Buffer> = {},
  ...flags: string[]
): Promise<string> {
  return ok("build", "-q", ...flags, await context({ ...files, Dockerfile: dockerfile }));
}

async function failing(
  dockerfile: string,
  files: Record<string, string | Buffer> = {},
  ...flags: string[]
): Promise<Result> {
  const result = await docker("build", ...flags, await context({ ...files, Dockerfile: dockerfile }));
  assert.notEqual(result.code, 0, result.stdout);
  return result;
}

const run = (image: string, ...args: string[]): Promise<string> => ok("run", "--rm", image, ...args);

before(async () => {
  gantry = await startGantry({ flags: ["--no-kubernetes"] });
  await ok("load", "-i", await testImage("busybox"));
});

describe("what instructions do", () => {
  test("RUN, COPY, ENV, ARG, WORKDIR, USER, LABEL, EXPOSE, VOLUME, STOPSIGNAL, HEALTHCHECK", async () => {
    const id = await build(
      `FROM busybox
ARG WHO=nobody
ENV GREETING="hi $WHO" PLAIN=1
WORKDIR /srv/app
COPY one.txt two.txt sub/
RUN echo "$GREETING from $(pwd)" > said && echo $WHO > who
USER 1000:1000
LABEL tier=front
EXPOSE 80 53/udp
VOLUME /data
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD true
CMD cat said sub/one.txt sub/two.txt`,
      { "one.txt": "1\n", "two.txt": "2\n" },
      "--build-arg",
      "WHO=you",
    );
    assert.equal(await run(id), "hi you from /srv/app\n1\n2");
    const config = JSON.parse(await ok("image", "inspect", "--format", "{{json .Config}}", id)) as Record<
      string,
      unknown
    >;
    assert.deepEqual([config["User"], config["WorkingDir"], config["StopSignal"]], ["1000:1000", "/srv/app", "SIGINT"]);
    assert.deepEqual(config["ExposedPorts"], { "80/tcp": {}, "53/udp": {} });
    assert.deepEqual(config["Volumes"], { "/data": {} });
    assert.deepEqual(config["Cmd"], ["/bin/sh", "-c", "cat said sub/one.txt sub/two.txt"]);
    assert.equal(await run(id, "id", "-u"), "1000");
  });

  test("the entry point and command table", async () => {
    const id = await build('FROM busybox\nENTRYPOINT ["echo", "entry"]\nCMD ["cmd"]');
    assert.equal(await run(id), "entry cmd");
    assert.equal(await run(id, "mine"), "entry mine");
    const child = await build(`FROM ${id}\nENTRYPOINT ["echo", "child"]`);
    assert.equal(await run(child), "child");
  });

  test("stages: only what the target needs, copies between them, scratch", async () => {
    const file = `FROM busybox AS build
RUN mkdir /out && echo made > /out/file && ln -s file /out/link && chown 5:6 /out/file
FROM busybox AS broken
RUN false
FROM scratch AS files
COPY --from=build /out /
FROM busybox
COPY --from=files / /got/
COPY --from=0 --chown=7:8 --chmod=640 /out/file /owned`;
    const id = await build(file);
    assert.equal(
      await run(id, "sh", "-c", "cat /got/link; stat -c '%u:%g' /got/file; stat -c '%u:%g %a' /owned"),
      "made\n5:6\n7:8 640",
    );
    assert.equal((await failing(file, {}, "--target", "broken")).code, 1);
    assert.match((await failing(file, {}, "--target", "nope")).stderr, /target stage "nope" could not be found/);
  });

  test("COPY: directories, wildcards, new names, .dockerignore, links", async () => {
    const id = await build(
      `FROM busybox
COPY dir /a
COPY dir /b/
COPY *.txt /c/
COPY x.txt /d
COPY x.txt /bin/../e/
RUN ls -R /a /b /c; ln -s /elsewhere /f
COPY x.txt /f/`,
      {
        ".dockerignore": "*.log\n**/secret*\n",
        "x.txt": "x",
        "y.txt": "y",
        "z.log": "z",
        "dir/k.txt": "k",
        "dir/secret.txt": "s",
      },
    );
    assert.equal(
      await run(id, "find", "/a", "/b", "/c", "/d", "/e", "/elsewhere", "-type", "f"),
      ["/a/k.txt", "/b/k.txt", "/c/x.txt", "/c/y.txt", "/d", "/e/x.txt", "/elsewhere/x.txt"].join("\n"),
    );
    const gone = await failing("FROM busybox\nCOPY nothing /x");
    assert.match(
      gone.stderr,
      /COPY failed: file not found in build context or excluded by \.dockerignore: stat nothing: file does not exist/,
    );
    assert.match((await failing("FROM busybox\nCOPY ../../../etc/passwd /x")).stderr, /file does not exist/);
  });

  test("ADD unpacks an archive, COPY does not", async () => {
    const tar = await gantry.run("sh", ["-c", "d=$(mktemp -d); echo inside > $d/f; tar -C $d -c f | base64; rm -r $d"]);
    const archive = gzipSync(Buffer.from(tar.stdout, "base64"));
    const id = await build("FROM busybox\nADD a.tar.gz /add/\nCOPY a.tar.gz /copy/\n", { "a.tar.gz": archive });
    assert.equal(await run(id, "sh", "-c", "cat /add/f; ls /copy"), "inside\na.tar.gz");
  });

  test("here-documents and mounts of RUN", async () => {
    const file = `FROM busybox
RUN <<EOF
echo one > /h
echo two >> /h
EOF
COPY <<inline.txt <<"raw.txt" /t/
at $HOME
inline.txt
as $IS
raw.txt
RUN <<SCRIPT
#!/bin/cat
printed
SCRIPT
RUN --mount=type=cache,target=/cache echo x >> /cache/n; wc -l < /cache/n > /count
RUN --mount=type=bind,source=src.txt,target=/src.txt cat /src.txt > /bound
RUN --mount=type=tmpfs,target=/scratch touch /scratch/x`;
    const id = await build(file, { "src.txt": "bound" });
    assert.equal(
      await run(id, "sh", "-c", "cat /h /t/raw.txt /count /bound; ls -d /scratch /cache 2>/dev/null; true"),
      "one\ntwo\nas $IS\n1\nbound",
    );
    const again = await build(`${file}\n# changed`, { "src.txt": "bound" }, "--no-cache");
    assert.equal(await run(again, "cat", "/count"), "2");
  });

  test("mounts of other stages, of images, and written to without a trace", async () => {
    const file = `FROM busybox AS tools
RUN mkdir /tools && echo tool > /tools/t
FROM busybox
RUN --mount=from=tools,source=/tools,target=/mnt cat /mnt/t > /got
RUN --mount=type=bind,from=busybox,source=/etc/passwd,target=/p cmp /p /etc/passwd
RUN --mount=target=/ctx,rw echo changed > /ctx/f && cat /ctx/f >> /got
COPY f /f
RUN --mount=type=cache,from=tools,source=/tools,target=/c,id=fromtools cat /c/t >> /got`;
    const id = await build(file, { f: "as sent" });
    assert.equal(await run(id, "cat", "/got", "/f"), "tool\nchanged\ntool\nas sent");
    assert.equal(await run(id, "sh", "-c", "ls -d /mnt /p /ctx /c 2>/dev/null | wc -l"), "0");
  });

  test("ONBUILD triggers run in the image built on it", async () => {
    await build("FROM busybox\nONBUILD COPY mark /mark\nONBUILD RUN cat /mark > /seen", {}, "-t", "base:onbuild");
    const id = await build("FROM base:onbuild", { mark: "marked" });
    assert.equal(await run(id, "cat", "/seen"), "marked");
    assert.equal(await ok("image", "inspect", "--format", "{{json .Config.OnBuild}}", id), "null");
  });
});

describe("the cache", () => {
  test("a build without changes gives the same image; content counts, time does not", async () => {
    const file = "FROM busybox\nCOPY f /f\nRUN cat /proc/sys/kernel/random/uuid > /uuid\nLABEL a=b";
    const first = await build(file, { f: "same" });
    assert.equal(await build(file, { f: "same" }), first);
    const other = await build(file, { f: "other" });
    assert.notEqual(await run(other, "cat", "/uuid"), await run(first, "cat", "/uuid"));
    const anew = await build(file, { f: "same" }, "--no-cache");
    assert.notEqual(await run(anew, "cat", "/uuid"), await run(first, "cat", "/uuid"));
  });

  test("the configuration is part of the key (CVE-2024-24557)", async () => {
    const made = async (env: string): Promise<string> =>
      run(await build(`FROM busybox\nENV X=${env}\nRUN echo $X > /x`), "cat", "/x");
    assert.deepEqual([await made("1"), await made("2"), await made("1")], ["1", "2", "1"]);
  });

  test("steps are no images of the user's until prune takes them", async () => {
    const dangling = (): Promise<string> => ok("images", "-q", "--filter", "dangling=true");
    const before = await dangling();
    await build("FROM busybox\nRUN echo step > /step\nRUN echo more > /more\nLABEL a=b", {}, "-t", "tagged:1");
    assert.equal(await dangling(), before);
    await build("FROM busybox\nRUN echo untagged");
    assert.equal((await dangling()).split("\n").length, before.split("\n").filter(Boolean).length + 1);
    await ok("builder", "prune", "-f");
    assert.equal(await run("tagged:1", "cat", "/step"), "step");
  });
});

describe("errors", () => {
  test("a failed command: its exit code and words", async () => {
    const { code, stderr } = await failing("FROM busybox\nRUN echo before; exit 7");
    assert.equal(code, 7);
    assert.match(stderr, /The command '\/bin\/sh -c echo before; exit 7' returned a non-zero code: 7/);
    assert.equal(await ok("ps", "-aq"), "");
  });

  test("a faulty Dockerfile: the line", async () => {
    assert.match(
      (await failing("FROM busybox\n\nNOPE x")).stderr,
      /dockerfile parse error on line 3: unknown instruction: NOPE/,
    );
    assert.match((await failing("RUN x")).stderr, /no build stage in current context/);
    assert.match((await failing(" ")).stderr, /cannot be empty/);
    assert.match((await docker("build", "-f", "Other", await context({ Dockerfile: "FROM busybox" }))).stderr, /Other/);
  });

  test("what cannot be done is refused by name", async () => {
    assert.match(
      (await failing("FROM busybox\nRUN --security=insecure true")).stderr,
      /security\.insecure is not allowed/,
    );
    assert.match((await failing("FROM busybox", {}, "--squash")).stderr, /squash/);
    assert.match(
      (await failing("FROM busybox\nRUN --mount=type=secret,id=x,required=true true")).stderr,
      /secret x: not found/,
    );
  });

  test("a working directory in /proc leads nowhere", async () => {
    for (const fd of [3, 7, 8, 20]) {
      const { code, stdout } = await docker(
        "build",
        "--no-cache",
        await context({
          Dockerfile: `FROM busybox\nWORKDIR /proc/self/fd/${fd}\nRUN cat ../../../../../../../../etc/hostname`,
        }),
      );
      const own = (await gantry.run("cat", ["/etc/hostname"])).stdout.trim();
      assert.ok(code !== 0 || !stdout.includes(own), stdout);
    }
  });
});
