import { isHttpHeaderName, isPortName, isPortNumber } from "../kube-names.ts";
import type { Container, HTTPGetAction, LifecycleHandler, Probe } from "../kube-types.generated.ts";
import {
  child,
  each,
  forbidden,
  invalid,
  invalidEach,
  nonNegative,
  oneOf,
  positive,
  required,
  type FieldErrors,
} from "./errors.ts";

type Handler = Pick<Probe, "exec" | "httpGet" | "tcpSocket" | "grpc"> & Pick<LifecycleHandler, "sleep">;

/** A port number, or the name of a container's port. */
export function checkPort(port: number | string | undefined, path: string): FieldErrors {
  if (typeof port === "string") return invalidEach(path, port, isPortName(port));
  return invalidEach(path, port ?? 0, isPortNumber(port ?? 0));
}

/** validateHandler: exactly one way to act. */
function checkHandler(handler: Handler, gracePeriodSeconds: number | undefined, path: string): FieldErrors {
  const errors: FieldErrors = [];
  let count = 0;
  const use = (name: string, check: () => FieldErrors): void => {
    if (count++ > 0) errors.push(forbidden(child(path, name), "may not specify more than 1 handler type"));
    else errors.push(...check());
  };
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler;
  if (exec) use("exec", () => (exec.command?.length ? [] : [required(child(path, "exec", "command"))]));
  if (httpGet) use("httpGet", () => checkHttpGet(httpGet, child(path, "httpGet")));
  if (tcpSocket) use("tcpSocket", () => checkPort(tcpSocket.port, child(path, "tcpSocket", "port")));
  if (grpc) use("grpc", () => checkPort(grpc.port, child(path, "grpc", "port")));
  if (sleep) use("sleep", () => checkSleep(sleep.seconds, gracePeriodSeconds, child(path, "sleep", "seconds")));
  if (count === 0) errors.push(required(path, "must specify a handler type"));
  return errors;
}

function checkSleep(seconds: number, gracePeriodSeconds: number | undefined, path: string): FieldErrors {
  if (seconds >= 0 && (gracePeriodSeconds === undefined || seconds <= gracePeriodSeconds)) return [];
  const most = gracePeriodSeconds ?? 30;
  return [invalid(path, seconds, `must be non-negative and less than terminationGracePeriodSeconds (${most})`)];
}

function checkHttpGet({ path: url, port, scheme, httpHeaders }: HTTPGetAction, path: string): FieldErrors {
  return [
    ...(url ? [] : [required(child(path, "path"))]),
    ...checkPort(port, child(path, "port")),
    ...oneOf(child(path, "scheme"), scheme, ["HTTP", "HTTPS"]),
    ...each(child(path, "httpHeaders"), httpHeaders, ({ name }) =>
      invalidEach(child(path, "httpHeaders"), name, isHttpHeaderName(name)),
    ),
  ];
}

function checkProbe(probe: Probe | undefined, gracePeriodSeconds: number | undefined, path: string): FieldErrors {
  if (!probe) return [];
  return [
    ...checkHandler(probe, gracePeriodSeconds, path),
    ...nonNegative(child(path, "initialDelaySeconds"), probe.initialDelaySeconds),
    ...nonNegative(child(path, "timeoutSeconds"), probe.timeoutSeconds),
    ...nonNegative(child(path, "periodSeconds"), probe.periodSeconds),
    ...nonNegative(child(path, "successThreshold"), probe.successThreshold),
    ...nonNegative(child(path, "failureThreshold"), probe.failureThreshold),
    ...positive(child(path, "terminationGracePeriodSeconds"), probe.terminationGracePeriodSeconds),
  ];
}

/** The probes and life cycle hooks of a container that stays up. */
export function checkHooks(container: Container, gracePeriodSeconds: number | undefined, path: string): FieldErrors {
  const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
  const errors: FieldErrors = [];
  for (const name of ["postStart", "preStop"] as const) {
    const handler = lifecycle?.[name];
    if (handler) errors.push(...checkHandler(handler, gracePeriodSeconds, child(path, "lifecycle", name)));
  }
  errors.push(...checkProbe(livenessProbe, gracePeriodSeconds, child(path, "livenessProbe")));
  errors.push(...checkProbe(readinessProbe, gracePeriodSeconds, child(path, "readinessProbe")));
  errors.push(...checkProbe(startupProbe, gracePeriodSeconds, child(path, "startupProbe")));
  for (const [name, probe] of Object.entries({ livenessProbe, startupProbe })) {
    if (probe && (probe.successThreshold ?? 1) !== 1) {
      errors.push(invalid(child(path, name, "successThreshold"), probe.successThreshold, "must be 1"));
    }
  }
  const readinessGrace = readinessProbe?.terminationGracePeriodSeconds;
  if (readinessGrace !== undefined) {
    errors.push(
      invalid(
        child(path, "readinessProbe", "terminationGracePeriodSeconds"),
        readinessGrace,
        "must not be set for readinessProbes",
      ),
    );
  }
  return errors;
}

/** Init containers run to their end: hooks are for those that keep running. */
export function checkNoHooks(container: Container, path: string): FieldErrors {
  const fields = ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] as const;
  return fields
    .filter((field) => container[field] !== undefined)
    .map((field) => forbidden(child(path, field), "may not be set for init containers without restartPolicy=Always"));
}
