import { lstatSync, mkdirSync } from "node:fs";
import { GantryError } from "#base/errors.ts";
import type { Clock } from "#base/clock.ts";
import { hexId } from "#base/ids.ts";
import type { Logger } from "#base/logger.ts";
import type { Random } from "#base/random.ts";
import { keyedSerial } from "#base/serial.ts";
import { mount, readMounts, unmount } from "#linux/mounts.ts";
import type { Volume, Volumes } from "../engine.ts";
import type { EventLog } from "../events/event-log.ts";
import { dataDirectory, deleteVolume, readVolumes, writeVolume, type VolumeRecord } from "./volume-files.ts";
import { parseVolumeOptions, resolveAddress } from "./volume-options.ts";

/** The local driver's volumes, with what only the engine may ask. */
export interface VolumeStore extends Volumes {
  /** A volume of this name, made when there is none; `undefined`: an anonymous one for a container. */
  ensure(name: string | undefined, madeFor: string): Promise<Volume>;
  /** Before a container with this volume starts: mounts what its options say, unless it is mounted. */
  activate(name: string): Promise<void>;
  /** As a container with this volume ends: unmounts when no other running container uses it. */
  deactivate(name: string, containerId: string): Promise<void>;
  /** Anonymous volumes made for a container whose creation was cut short. */
  madeFor(containerId: string): readonly string[];
}

export interface VolumeStoreDeps {
  readonly root: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events: EventLog;
  /** Ids of the containers that have the volume, and of those, the ones with a process. */
  readonly users: (name: string) => { readonly all: readonly string[]; readonly running: readonly string[] };
}

const DRIVER = "local";
const NAME_PATTERN = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

export async function openVolumes(deps: VolumeStoreDeps): Promise<VolumeStore> {
  const { root, events } = deps;
  mkdirSync(root, { recursive: true, mode: 0o710 });
  const records = new Map((await readVolumes(root, deps.logger)).map((record) => [record.name, record]));
  const serial = keyedSerial();

  const view = ({ name, labels, options, createdAt, anonymous }: VolumeRecord): Volume => ({
    name,
    driver: DRIVER,
    mountpoint: dataDirectory(root, name),
    labels,
    options,
    createdAt,
    anonymous,
  });
  const known = (name: string): VolumeRecord => {
    const record = records.get(name);
    if (record) return record;
    throw new GantryError("not-found", `get ${name}: no such volume`, { volume: name });
  };
  const record = (action: string, name: string): void =>
    events.record({ type: "volume", action, actorId: name, attributes: { driver: DRIVER } });

  async function make(wanted: Omit<VolumeRecord, "version" | "createdAt">): Promise<Volume> {
    return serial.run(wanted.name, async () => {
      const existing = records.get(wanted.name);
      if (existing) return view(existing);
      const made: VolumeRecord = { ...wanted, version: 1, createdAt: deps.clock.now() };
      writeVolume(root, made);
      records.set(made.name, made);
      record("create", made.name);
      return view(made);
    });
  }

  return {
    async create({ name, driver, labels, options }) {
      checkDriver(driver, name ?? "");
      if (name !== undefined) checkVolumeName(name);
      parseVolumeOptions(options);
      return make({ name: name ?? hexId(deps.random), labels, options, anonymous: name === undefined });
    },
    async ensure(name, madeFor) {
      if (name !== undefined) checkVolumeName(name);
      const anonymous = name === undefined;
      return make({
        name: name ?? hexId(deps.random),
        labels: {},
        options: {},
        anonymous,
        ...(anonymous && { madeFor }),
      });
    },
    get: (name) => view(known(name)),
    list: () => Array.from(records.values(), view),
    users: (name) => deps.users(name).all,
    madeFor: (id) =>
      Array.from(records.values())
        .filter((each) => each.madeFor === id)
        .map(({ name }) => name),
    remove: (name, force) =>
      serial.run(name, async () => {
        if (force && !records.has(name)) return;
        known(name);
        const users = deps.users(name).all;
        if (users.length > 0)
          throw new GantryError("conflict", `remove ${name}: volume is in use - [${users.join(", ")}]`, { users });
        unmountVolume(root, name);
        records.delete(name);
        await deleteVolume(root, name);
        record("destroy", name);
      }),
    activate: (name) =>
      serial.run(name, async () => {
        const wanted = parseVolumeOptions(known(name).options);
        const target = dataDirectory(root, name);
        if (!wanted || readMounts().some((each) => each.target === target)) return;
        const { device, type, flags, data } = await resolveAddress(wanted);
        mount(device, target, { type, flags, data });
      }),
    deactivate: (name, containerId) =>
      serial.run(name, async () => {
        const options = records.get(name)?.options ?? {};
        const isUsed = deps.users(name).running.some((id) => id !== containerId);
        if (options["device"] && !isUsed) unmountVolume(root, name);
      }),
  };
}

function unmountVolume(root: string, name: string): void {
  const target = dataDirectory(root, name);
  if (lstatSync(target, { throwIfNoEntry: false })?.isDirectory()) unmount(target);
}

function checkVolumeName(name: string): void {
  if (name.length === 1)
    throw new GantryError(
      "invalid",
      `create ${name}: volume name is too short, names should be at least two alphanumeric characters`,
      { volume: name },
    );
  if (NAME_PATTERN.test(name)) return;
  throw new GantryError(
    "invalid",
    `create ${name}: ${JSON.stringify(name)} includes invalid characters for a local volume name, only ` +
      `"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    { volume: name },
  );
}

function checkDriver(driver: string, name: string): void {
  if (driver === "" || driver === DRIVER) return;
  throw new GantryError(
    "not-found",
    `create ${name}: error looking up volume plugin ${driver}: plugin ${JSON.stringify(driver)} not found`,
    { driver },
  );
}
