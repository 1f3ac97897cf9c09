import { pipeline } from "node:stream/promises";
import { parseKubeTime } from "#formats/kube-time.ts";
import type { Api } from "../api.ts";
import type { NodeStreams, PodLogOptions } from "../node-streams.ts";
import type { ObjectRef } from "../service.ts";
import { badRequest, invalid, type FieldFault } from "../status.ts";
import { isTrue } from "../http/query.ts";
import { writeHead, type Response } from "../http/exchange.ts";
import { streamedContainer, streamedPod } from "./pod.ts";

/** GET pods/NAME/log: a container's output as plain text, followed if asked. */
export async function serveLogs(
  api: Api,
  nodes: NodeStreams,
  ref: ObjectRef,
  query: URLSearchParams,
  response: Response,
): Promise<void> {
  const gone = new AbortController();
  const options = { ...logOptions(query, api.clock.now()), signal: gone.signal };
  const pod = await streamedPod(api, ref);
  const container = streamedContainer(pod, query.get("container"));
  const source = await nodes.logs(pod, container, options);
  response.on("close", () => gone.abort());
  writeHead(response, 200, { "content-type": "text/plain", "cache-control": "no-cache, private" });
  // A reader who leaves ends the stream, and one whose source breaks off gets what there was.
  await pipeline(source, limited(options.limitBytes), response as NodeJS.WritableStream).catch(() =>
    response.destroy(),
  );
}

function limited(limitBytes: number | undefined) {
  return async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let left = limitBytes ?? Infinity;
    for await (const chunk of source) {
      yield left >= chunk.length ? chunk : chunk.subarray(0, left);
      left -= chunk.length;
      if (left <= 0) return;
    }
  };
}

/** PodLogOptions of a query (k8s.io/kubernetes pkg/apis/core/validation ValidatePodLogOptions). */
function logOptions(query: URLSearchParams, nowMs: number): PodLogOptions {
  const faults: FieldFault[] = [];
  const fault = (field: string, message: string): void =>
    void faults.push({ field, message, reason: "FieldValueInvalid" });
  const number = (name: string, least: number, rule: string): number | undefined => {
    const text = query.get(name);
    if (text === null || text === "") return undefined;
    if (!/^-?[0-9]{1,15}$/.test(text))
      throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
    if (Number(text) < least) fault(name, `Invalid value: ${text}: ${rule}`);
    return Number(text);
  };
  const tailLines = number("tailLines", 0, "must be greater than or equal to 0");
  const limitBytes = number("limitBytes", 1, "must be greater than 0");
  const sinceSeconds = number("sinceSeconds", 1, "must be greater than 0");
  const sinceTime = query.get("sinceTime");
  if (sinceSeconds !== undefined && sinceTime)
    fault("sinceSeconds", "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified");
  const stream = query.get("stream") ?? "All";
  if (!isStream(stream))
    fault("stream", `Unsupported value: ${JSON.stringify(stream)}: supported values: "All", "Stderr", "Stdout"`);
  if (faults.length > 0) throw invalid("", "PodLogOptions", "", faults);
  const sinceMs = sinceSeconds === undefined ? parseKubeTime(sinceTime ?? undefined) : nowMs - sinceSeconds * 1000;
  return {
    follow: flag(query, "follow"),
    previous: flag(query, "previous"),
    timestamps: flag(query, "timestamps"),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(isStream(stream) ? { stream } : {}),
  };
}

function isStream(text: string): text is "All" | "Stdout" | "Stderr" {
  return text === "All" || text === "Stdout" || text === "Stderr";
}

function flag(query: URLSearchParams, name: string): boolean {
  return query.has(name) && isTrue(query.get(name));
}
