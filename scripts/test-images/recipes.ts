import { execFile } from "node:child_process";
import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { RunConfig } from "../../src/formats/image-config.ts";
import type { LayerFile, TestImage } from "./archive.ts";
import { sharedLibraries, withPackages } from "./packages.ts";

const run = promisify(execFile);

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The images that tests and examples use, each built from Debian packages. */
export const RECIPES: Readonly<Record<string, () => Promise<TestImage>>> = { busybox, redis, nginx };

async function busybox(): Promise<TestImage> {
  const config: RunConfig = { Env: [PATH], Cmd: ["sh"], WorkingDir: "/" };
  return { reference: "busybox:latest", layers: [await busyboxFiles()], config };
}

const BASE_FOLDERS = [
  "bin",
  "dev",
  "etc",
  "home",
  "proc",
  "root",
  "sys",
  "tmp",
  "usr",
  "usr/bin",
  "usr/local",
  "usr/local/bin",
  "usr/sbin",
  "var",
  "var/spool",
  "var/spool/mail",
  "var/www",
];

/** One binary with a hard link per applet, and the accounts that Debian's base has. */
async function busyboxFiles(): Promise<LayerFile[]> {
  return withPackages(["busybox-static"], async (root) => {
    const binary = join(root, "bin/busybox");
    const applets = (await run(binary, ["--list"])).stdout.split("\n").filter((name) => name && name !== "busybox");
    const folders = BASE_FOLDERS.map((path): LayerFile => ({
      path,
      kind: "directory",
      mode: path === "tmp" ? 0o1777 : path === "root" ? 0o700 : 0o755,
    }));
    return [
      ...folders,
      { path: "bin/busybox", kind: "file", mode: 0o755, data: await readFile(binary) },
      ...applets.map((name): LayerFile => ({
        path: `bin/${name}`,
        kind: "hardlink",
        target: "bin/busybox",
        mode: 0o755,
      })),
      { path: "usr/bin/env", kind: "symlink", target: "../../bin/env" },
      ...accounts([]),
    ];
  });
}

interface Account {
  readonly name: string;
  readonly id: number;
  readonly home: string;
}

function accounts(more: readonly Account[]): LayerFile[] {
  const all: Account[] = [
    { name: "root", id: 0, home: "/root" },
    { name: "daemon", id: 1, home: "/usr/sbin" },
    { name: "bin", id: 2, home: "/bin" },
    { name: "sys", id: 3, home: "/dev" },
    { name: "mail", id: 8, home: "/var/spool/mail" },
    { name: "www-data", id: 33, home: "/var/www" },
    { name: "operator", id: 37, home: "/var" },
    ...more,
    { name: "nobody", id: 65534, home: "/home" },
  ];
  const shell = (name: string): string => (name === "root" ? "/bin/sh" : "/bin/false");
  const passwd = all.map((one) => `${one.name}:x:${one.id}:${one.id}:${one.name}:${one.home}:${shell(one.name)}\n`);
  const group = all.map((one) => `${one.name === "nobody" ? "nogroup" : one.name}:x:${one.id}:\n`);
  const shadow = all.map((one) => `${one.name}:*:::::::\n`);
  return [
    { path: "etc/passwd", kind: "file", data: passwd.join("") },
    { path: "etc/group", kind: "file", data: `${group.join("")}users:x:100:\n` },
    { path: "etc/shadow", kind: "file", mode: 0o640, data: shadow.join("") },
  ];
}

const LIBC = ["libc6", "libgcc-s1"];
const REDIS_PACKAGES = [
  "redis-tools",
  ...LIBC,
  "libatomic1",
  "libjemalloc2",
  "liblzf1",
  "libssl3",
  "libsystemd0",
  "libcap2",
  "libgcrypt20",
  "libgpg-error0",
  "liblz4-1",
  "liblzma5",
  "libzstd1",
  "libstdc++6",
];

const REDIS_START = `#!/bin/sh
set -e
if [ "\${1#-}" != "$1" ] || [ "\${1%.conf}" != "$1" ]; then
  set -- redis-server "$@"
fi
case "$*" in
  *protected-mode*) ;;
  redis-server*) set -- "$@" --protected-mode no ;; # as the official image: other containers may connect
esac
if [ "$1" = "redis-server" ] && [ "$(id -u)" = "0" ]; then
  chown redis:redis .
  exec su -s /bin/sh -c 'exec "$0" "$@"' redis -- "$@"
fi
exec "$@"
`;

async function redis(): Promise<TestImage> {
  const files = await withPackages(REDIS_PACKAGES, async (root): Promise<LayerFile[]> => {
    const libraries = await libraryFiles(root, ["usr/bin/redis-check-rdb", "usr/bin/redis-cli"]);
    const program = async (from: string, name: string): Promise<LayerFile> => ({
      path: `usr/local/bin/${name}`,
      kind: "file",
      mode: 0o755,
      data: await readFile(join(root, "usr/bin", from)),
    });
    return [
      ...libraries,
      await program("redis-check-rdb", "redis-server"),
      await program("redis-cli", "redis-cli"),
      await program("redis-benchmark", "redis-benchmark"),
      { path: "usr/local/bin/redis-sentinel", kind: "symlink", target: "redis-server" },
      { path: "usr/local/bin/docker-entrypoint.sh", kind: "file", mode: 0o755, data: REDIS_START },
      ...accounts([{ name: "redis", id: 999, home: "/data" }]),
      { path: "data", kind: "directory", uid: 999, gid: 999 },
    ];
  });
  const config: RunConfig = {
    Env: [PATH],
    Entrypoint: ["docker-entrypoint.sh"],
    Cmd: ["redis-server"],
    WorkingDir: "/data",
    ExposedPorts: { "6379/tcp": {} },
    Volumes: { "/data": {} },
  };
  return { reference: "redis:latest", layers: [await busyboxFiles(), files], config };
}

const NGINX_CONFIG = `user www-data;
worker_processes auto;
pid /run/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 1024; }
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log /dev/stdout;
  sendfile on;
  keepalive_timeout 65;
  include /etc/nginx/conf.d/*.conf;
}
`;

const NGINX_SITE = `server {
  listen 80;
  server_name localhost;
  location / {
    root /usr/share/nginx/html;
    index index.html;
  }
}
`;

async function nginx(): Promise<TestImage> {
  const packages = ["nginx", "nginx-common", "libcrypt1", "libpcre2-8-0", "libssl3", "zlib1g", ...LIBC];
  const files = await withPackages(packages, async (root): Promise<LayerFile[]> => [
    ...(await libraryFiles(root, ["usr/sbin/nginx"])),
    { path: "usr/sbin/nginx", kind: "file", mode: 0o755, data: await readFile(join(root, "usr/sbin/nginx")) },
    ...[
      "etc/nginx",
      "etc/nginx/conf.d",
      "usr/share",
      "usr/share/nginx",
      "usr/share/nginx/html",
      "run",
      "var/lib",
      "var/lib/nginx",
      "var/log",
      "var/log/nginx",
    ].map((path): LayerFile => ({ path, kind: "directory" })),
    { path: "etc/nginx/nginx.conf", kind: "file", data: NGINX_CONFIG },
    { path: "etc/nginx/conf.d/default.conf", kind: "file", data: NGINX_SITE },
    { path: "etc/nginx/mime.types", kind: "file", data: await readFile(join(root, "etc/nginx/mime.types")) },
    {
      path: "usr/share/nginx/html/index.html",
      kind: "file",
      data: await readFile(join(root, "usr/share/nginx/html/index.html")),
    },
  ]);
  const config: RunConfig = {
    Env: [PATH],
    Cmd: ["nginx", "-g", "daemon off;"],
    WorkingDir: "/",
    ExposedPorts: { "80/tcp": {} },
    StopSignal: "SIGQUIT",
  };
  return { reference: "nginx:latest", layers: [await busyboxFiles(), files], config };
}

/** The libraries of `programs`, under the names they are asked for, with the folders they need. */
async function libraryFiles(root: string, programs: readonly string[]): Promise<LayerFile[]> {
  const paths = new Set<string>();
  for (const program of programs) for (const path of await sharedLibraries(root, program)) paths.add(path.slice(1));
  const folders = new Set<string>();
  for (const path of paths) {
    const parts = path.split("/").slice(0, -1);
    parts.forEach((_, at) => folders.add(parts.slice(0, at + 1).join("/")));
  }
  const files: LayerFile[] = [...folders].sort().map((path) => ({ path, kind: "directory" }));
  for (const path of [...paths].sort()) {
    files.push({ path, kind: "file", mode: 0o755, data: await readFile(await realpath(join(root, path))) });
  }
  return files;
}
