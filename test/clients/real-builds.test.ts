/**
 * Real builds, without a network while they run: Debian by debootstrap, on it redis-server and nginx from their packages, a Node app in two stages, a Go program
 * FROM scratch. Takes minutes and needs Debian's mirror before it begins: only with GANTRY_REAL_BUILDS=1.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { dockerOk } from "#test/docker-cli.ts";
import { startGantry, type TestGantry } from "#test/gantry.ts";

const skip = process.env["GANTRY_REAL_BUILDS"] ? false : "GANTRY_REAL_BUILDS is not set";
const work = mkdtempSync(join(tmpdir(), "gantry-real-"));
let gantry: TestGantry;
const ok = (...args: string[]): Promise<string> => dockerOk(gantry, ...args);

/** The packages that `names` need on a minimal Debian, as files. */
function packages(folder: string, ...names: string[]): void {
  const archives = join(work, "archives", folder);
  mkdirSync(join(archives, "partial"), { recursive: true });
  const status = join(work, "debian/var/lib/dpkg/status");
  const options = [`Dir::State::status=${status}`, `Dir::Cache::archives=${archives}`].flatMap((option) => [
    "-o",
    option,
  ]);
  execFileSync("apt-get", [...options, "install", "-y", "--download-only", "--no-install-recommends", ...names], {
    stdio: "pipe",
  });
  const context = join(work, folder, "debs");
  mkdirSync(context, { recursive: true });
  for (const name of readdirSync(archives).filter((each) => each.endsWith(".deb")))
    copyFileSync(join(archives, name), join(context, name));
}

before(async () => {
  if (skip) return;
  execFileSync("debootstrap", ["--variant=minbase", "bookworm", join(work, "debian")], { stdio: "pipe" });
  packages("redis", "redis-server");
  packages("nginx", "nginx-light");
  packages("node", "libatomic1");
  packages("go", "golang-go");
  gantry = await startGantry({ flags: ["--no-kubernetes"] });
  await gantry.run("sh", ["-c", `tar -C ${work}/debian -c . | docker import - debian:12`], { timeoutMs: 300_000 });
});
after(() => rmSync(work, { recursive: true, force: true }));

async function build(folder: string, dockerfile: string): Promise<void> {
  writeFileSync(join(work, folder, "Dockerfile"), dockerfile);
  const built = await gantry.run("docker", ["build", "-t", folder, join(work, folder)], { timeoutMs: 600_000 });
  assert.equal(built.code, 0, built.stdout.slice(-3000) + built.stderr);
}

const INSTALL = "RUN --mount=type=bind,source=debs,target=/debs DEBIAN_FRONTEND=noninteractive dpkg -i /debs/*.deb";

test("redis-server out of its package", { skip }, async () => {
  await build("redis", `FROM debian:12\n${INSTALL}\nCMD ["redis-server", "--protected-mode", "no"]`);
  await ok("run", "-d", "--name", "redis", "redis");
  await ok("exec", "redis", "sh", "-c", "until redis-cli ping; do sleep 0.1; done");
  assert.equal(await ok("exec", "redis", "redis-cli", "set", "a", "1"), "OK");
  await ok("rm", "-f", "redis");
});

test("nginx out of its package", { skip }, async () => {
  await build(
    "nginx",
    `FROM debian:12\n${INSTALL}\nRUN echo built > /var/www/html/index.html\nCMD ["nginx", "-g", "daemon off;"]`,
  );
  await ok("run", "-d", "--name", "nginx", "-p", "8089:80", "nginx");
  const page = await gantry.run("curl", [
    "-s",
    "--retry",
    "20",
    "--retry-connrefused",
    "--retry-delay",
    "1",
    "http://127.0.0.1:8089/",
  ]);
  assert.equal(page.stdout, "built\n");
  await ok("rm", "-f", "nginx");
});

test("a Node app in two stages", { skip }, async () => {
  copyFileSync(process.execPath, join(work, "node/node"));
  writeFileSync(
    join(work, "node/app.ts"),
    "const words: string[] = ['typed', 'app'];\nconsole.log(words.join(' '));\n",
  );
  await build(
    "node",
    `FROM debian:12 AS runtime
${INSTALL}
COPY --chmod=755 node /usr/local/bin/node
FROM runtime AS check
COPY app.ts .
RUN node app.ts > /checked
FROM runtime
COPY --from=check /checked /app.ts /
CMD ["node", "/app.ts"]`,
  );
  assert.equal(await ok("run", "--rm", "node"), "typed app");
});

test("a Go program FROM scratch", { skip }, async () => {
  writeFileSync(join(work, "go/main.go"), 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("static") }\n');
  await build(
    "go",
    `FROM debian:12 AS build
${INSTALL}
COPY main.go /src/
RUN --mount=type=cache,target=/root/.cache cd /src && CGO_ENABLED=0 go build -o /app main.go
FROM scratch
COPY --from=build /app /app
ENTRYPOINT ["/app"]`,
  );
  assert.equal(await ok("run", "--rm", "go"), "static");
  const size = Number(await ok("image", "inspect", "--format", "{{.Size}}", "go"));
  assert(size < 10_000_000, `${size} bytes`);
});
