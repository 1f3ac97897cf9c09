import { dirname, join } from "node:path";
import type { Container } from "#containers/engine.ts";
import { formatTime } from "#formats/docker-time.ts";
import type { Snapshot } from "#images/image-store.ts";
import { originOf } from "./documents.ts";
import { mountDocument, shownMounts } from "./mount-document.ts";
import { networkSettingsDocument, type FindNetwork } from "./network-settings.ts";
import { stateDocument } from "./state-document.ts";

export interface InspectInputs {
  readonly container: Container;
  readonly snapshot: Snapshot | undefined;
  readonly findNetwork: FindNetwork;
  readonly sizes: { readonly rw: number; readonly rootFs: number } | undefined;
}

/** GET /containers/{id}/json: Docker's whole document. */
export function inspectDocument({ container, snapshot, findNetwork, sizes }: InspectInputs): object {
  const { config } = container;
  const { Config, HostConfig } = originOf(container);
  // Docker makes a container's files at its first start.
  const started = container.state.status !== "created" || container.state.exit !== undefined;
  const directory = container.logPath === "" || !started ? "" : dirname(container.logPath);
  const file = (name: string, given: string | undefined): string =>
    given ?? (directory === "" ? "" : join(directory, name));
  return {
    Id: container.id,
    Created: formatTime(container.createdAt),
    Path: config.args[0] ?? "",
    Args: config.args.slice(1),
    State: stateDocument(container),
    Image: config.imageId ?? "",
    ResolvConfPath: file("resolv.conf", config.hostFiles?.resolvConf),
    HostnamePath: file("hostname", config.hostFiles?.hostname),
    HostsPath: file("hosts", config.hostFiles?.hosts),
    LogPath: directory === "" ? "" : container.logPath,
    Name: `/${container.name}`,
    RestartCount: container.restartCount,
    Driver: snapshot?.driver ?? "overlay2",
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: config.security.apparmor ?? "",
    ExecIDs: container.execIds.length > 0 ? container.execIds : null,
    HostConfig,
    GraphDriver: graphDriverDocument(container.id, snapshot),
    ...(sizes && { SizeRw: sizes.rw, SizeRootFs: sizes.rootFs }),
    Mounts: shownMounts(container).map(mountDocument),
    Config,
    NetworkSettings: networkSettingsDocument(container, findNetwork),
  };
}

function graphDriverDocument(id: string, snapshot: Snapshot | undefined): object {
  if (!snapshot) return { Data: null, Name: "overlay2" };
  const { mount, driver } = snapshot;
  const data =
    mount.kind === "overlay"
      ? { ID: id, LowerDir: mount.lower.join(":"), MergedDir: "", UpperDir: mount.upper, WorkDir: mount.work }
      : { ID: id, MergedDir: mount.source };
  return { Data: data, Name: driver };
}
