import type { Container, Status } from "./container.ts";

/** OCI runtime-spec runtime.md, "State", with the fields that runc adds. */
export function stateDocument(container: Container, status: Status): Readonly<Record<string, unknown>> {
  const { state, process } = container;
  const { annotations } = state.spec;
  return {
    ociVersion: state.spec.ociVersion,
    id: state.id,
    pid: status === "stopped" ? 0 : (process?.pid ?? 0),
    status,
    bundle: state.bundle,
    rootfs: state.rootfs,
    created: state.created,
    ...(annotations && { annotations }),
    owner: state.owner,
  };
}
