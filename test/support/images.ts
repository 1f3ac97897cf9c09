import { makeTestImage } from "../../scripts/make-test-images.ts";

const made = new Map<string, Promise<string>>();

/** The path of a `docker load` archive of "busybox", "redis" or "nginx" (a tag `:latest` may be given). */
export function testImage(name: string): Promise<string> {
  const short = name.replace(/:latest$/, "");
  const path = made.get(short) ?? makeTestImage(short);
  made.set(short, path);
  return path;
}
