import { GantryError } from "#base/errors.ts";
import type { ImageReference } from "#formats/reference.ts";
import { authorizer } from "./auth.ts";
import { httpClient, readBody, type HttpRequest, type HttpResponse } from "./http.ts";
import { readFailure, registryError } from "./registry-error.ts";
import type { RepositoryOptions } from "./repository.ts";
import { retryAfter } from "./retry.ts";

type Asked = Omit<HttpRequest, "signal">;

/** Requests about one repository, with whatever credentials its registry asks for. */
export interface Session {
  readonly reference: ImageReference;
  /** An address below the repository. */
  at(path: string): URL;
  ping(): Promise<void>;
  /** Sends with what credentials are known, and once more with those that are asked for. */
  send(request: Asked, extraScope?: string): Promise<HttpResponse>;
  /** Sends and expects one of these answers, whose body is the caller's; any other is thrown as a refusal. */
  expect(
    request: Asked,
    statuses: readonly number[],
    about?: ImageReference,
    extraScope?: string,
  ): Promise<HttpResponse>;
  /** What an answer says is wrong. */
  refusal(response: HttpResponse, about: ImageReference | undefined): Promise<GantryError>;
  close(): void;
}

const MAX_ERROR_BYTES = 64 * 1024;

export function openSession(options: RepositoryOptions): Session {
  const { endpoint, reference, signal, clock } = options;
  const { origin } = endpoint;
  const http = httpClient(endpoint);
  const authorization = authorizer(origin, options.auth, http);
  const scope = `repository:${reference.path}:${options.actions}`;
  const session: Session = {
    reference,
    at: (path) => new URL(`/v2/${reference.path}/${path}`, origin),
    async ping() {
      const url = new URL("/v2/", origin);
      const { status, statusText, body } = await http.send({ method: "GET", url, signal });
      body.resume();
      if (status === 200 || status === 401) return;
      throw new GantryError(
        "unavailable",
        `Get ${JSON.stringify(url.href)}: received unexpected HTTP status: ${status} ${statusText}`,
      );
    },
    async send(request, extraScope) {
      const scopes = extraScope ? `${scope} ${extraScope}` : scope;
      for (let tries = 0; ; tries++) {
        const known = request.url.origin === origin.origin ? authorization.header(scopes) : undefined;
        const headers = { ...request.headers, ...(known === undefined ? {} : { authorization: known }) };
        const response = await http.send({ ...request, headers, signal });
        if (response.status !== 401 || tries > 0) return response;
        if (!(await authorization.answer(response, scopes, signal))) return response;
        response.body.resume();
      }
    },
    async expect(request, statuses, about, extraScope) {
      const response = await session.send(request, extraScope);
      if (statuses.includes(response.status)) return response;
      throw await session.refusal(response, about);
    },
    async refusal(response, about) {
      const body = await readBody(response, MAX_ERROR_BYTES).catch(() => Buffer.alloc(0));
      const error = registryError(readFailure(response.status, response.statusText, body), about);
      const retryAfterMs = retryAfter(response.headers["retry-after"], clock.now());
      return retryAfterMs === undefined
        ? error
        : new GantryError(error.code, error.message, { ...error.details, retryAfterMs });
    },
    close: () => http.close(),
  };
  return session;
}
