import { lstatSync, mkdirSync } from "node:fs";
import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import type { Clock } from "#base/clock.ts";
import { hexId } from "#base/ids.ts";
import type { Logger } from "#base/logger.ts";
import type { Random } from "#base/random.ts";
import { keyedSerial } from "#base/serial.ts";
import { mount, readMounts, unmount } from "#linux/mounts.ts";
import { errnoText, isSyscallError } from "#linux/syscalls.ts";
import type { Volume, Volumes } from "../engine.ts";
import type { EventLog } from "../events/event-log.ts";
import { foreignVolumes } from "./foreign-volumes.ts";
import { LOCAL_DRIVER, volumeDrivers, type VolumeDrivers } from "./volume-drivers.ts";
import {
  dataDirectory,
  deleteVolume,
  readVolumes,
  VOLUME_NAME,
  writeVolume,
  type VolumeRecord,
} from "./volume-files.ts";
import { parseVolumeOptions, resolveAddress } from "./volume-options.ts";
import { directoryBytes } from "./volume-size.ts";

/** The volumes of this machine, with what only the engine may ask. */
export interface VolumeStore extends Volumes {
  /** A volume of this name, made when there is none; `undefined`: an anonymous one for a container. */
  ensure(name: string | undefined, madeFor: string): Promise<Volume>;
  /** Before a container with this volume starts: mounts what its options say, or has its plugin mount it. Where it lies. */
  activate(name: string, containerId: string): Promise<string>;
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
  readonly drivers?: VolumeDrivers;
}

export async function openVolumes(deps: VolumeStoreDeps): Promise<VolumeStore> {
  const { root, events, drivers = volumeDrivers() } = deps;
  mkdirSync(root, { recursive: true, mode: 0o710 });
  const records = new Map((await readVolumes(root, deps.logger)).map((record) => [record.name, record]));
  const foreign = foreignVolumes(drivers);
  const look = (): Promise<readonly string[]> => foreign.look((name) => records.has(name));
  const serial = keyedSerial();

  const known = (name: string): VolumeRecord => {
    const record = records.get(name) ?? foreign.get(name);
    if (record) return record;
    throw new GantryError("not-found", `get ${name}: no such volume`, { volume: name });
  };
  const record = (action: string, { name, driver = LOCAL_DRIVER }: VolumeRecord): void =>
    events.record({ type: "volume", action, actorId: name, attributes: { driver } });

  /** A volume that is there already: of ours, or of a plugin, which is ours from now on. */
  async function existingOf({
    name,
    anonymous,
  }: Pick<VolumeRecord, "name" | "anonymous">): Promise<VolumeRecord | undefined> {
    const own = records.get(name);
    if (own || anonymous) return own;
    await look();
    const found = foreign.get(name);
    if (!found) return undefined;
    writeVolume(root, found);
    records.set(name, found);
    foreign.forget(name);
    return found;
  }

  async function make(wanted: Omit<VolumeRecord, "version" | "createdAt">): Promise<Volume> {
    return serial.run(wanted.name, async () => {
      const existing = await existingOf(wanted);
      if (existing) return viewOf(root, keepDriver(existing, wanted.driver));
      const placed = wanted.driver === undefined ? wanted : { ...wanted, ...(await makeByPlugin(drivers, wanted)) };
      const made: VolumeRecord = { ...placed, version: 1, createdAt: deps.clock.now() };
      writeVolume(root, made);
      records.set(made.name, made);
      record("create", made);
      return viewOf(root, made);
    });
  }

  return {
    async create({ name: given, driver, labels, options }) {
      const name = given ?? hexId(deps.random);
      const plugin = driver === "" || driver === LOCAL_DRIVER ? undefined : driver;
      if (plugin === undefined) checkLocal(name, options);
      const anonymous = given === undefined;
      return make({ name, labels, options, anonymous, ...(plugin !== undefined && { driver: plugin }) });
    },
    async ensure(name, madeFor) {
      if (name !== undefined && !records.has(name)) checkVolumeName(name);
      const anonymous = name === undefined;
      return make({
        name: name ?? hexId(deps.random),
        labels: {},
        options: {},
        anonymous,
        ...(anonymous && { madeFor }),
      });
    },
    get: (name) => viewOf(root, known(name)),
    drivers: () => [LOCAL_DRIVER, ...drivers.names()],
    async status(name) {
      const { driver } = known(name);
      return driver === undefined ? undefined : (await (await drivers.plugin(driver)).get(name)).status;
    },
    list: () => [...records.values(), ...foreign.list()].map((each) => viewOf(root, each)),
    async lookUp(name) {
      return name !== undefined && records.has(name) ? [] : look();
    },
    users: (name) => deps.users(name).all,
    sizeBytes: async (name) => (known(name).driver === undefined ? directoryBytes(dataDirectory(root, name)) : -1),
    madeFor: (id) =>
      Array.from(records.values())
        .filter((each) => each.madeFor === id)
        .map(({ name }) => name),
    remove: (name, force) =>
      serial.run(name, async () => {
        if (!records.has(name)) await look();
        if (force && !records.has(name) && !foreign.get(name)) return;
        const doomed = known(name);
        const users = deps.users(name).all;
        if (users.length > 0)
          throw new GantryError("conflict", `remove ${name}: volume is in use - [${users.join(", ")}]`, { users });
        if (doomed.driver === undefined) unmountVolume(root, name);
        else await removeByPlugin(drivers, doomed, force);
        foreign.forget(name);
        if (records.delete(name)) await deleteVolume(root, name);
        record("destroy", doomed);
      }),
    activate: (name, containerId) =>
      serial.run(name, async () => {
        const { driver, options } = known(name);
        if (driver !== undefined) return (await drivers.plugin(driver)).mount(name, containerId);
        const target = dataDirectory(root, name);
        await mountLocal(target, options);
        return target;
      }),
    deactivate: (name, containerId) =>
      serial.run(name, async () => {
        const { options = {}, driver } = records.get(name) ?? {};
        if (driver !== undefined) return (await drivers.plugin(driver)).unmount(name, containerId);
        const isUsed = deps.users(name).running.some((id) => id !== containerId);
        if (options["device"] && !isUsed) unmountVolume(root, name);
      }),
  };
}

function viewOf(root: string, { name, labels, options, createdAt, anonymous, ...rest }: VolumeRecord): Volume {
  return {
    name,
    driver: rest.driver ?? LOCAL_DRIVER,
    scope: rest.scope ?? "local",
    mountpoint: rest.driver === undefined ? dataDirectory(root, name) : (rest.mountpoint ?? ""),
    labels,
    options,
    createdAt,
    anonymous,
  };
}

/** A name belongs to one driver. Throws `conflict` in Docker's words. */
function keepDriver(existing: VolumeRecord, asked: string | undefined): VolumeRecord {
  if (asked === undefined || asked === existing.driver) return existing;
  throw new GantryError("conflict", `create ${existing.name}: volume name must be unique`, { volume: existing.name });
}

async function makeByPlugin(
  drivers: VolumeDrivers,
  { name, driver = "", options }: Pick<VolumeRecord, "name" | "driver" | "options">,
): Promise<{ mountpoint: string; scope: string }> {
  try {
    const plugin = await drivers.plugin(driver);
    await plugin.create(name, options);
    const { mountpoint } = await plugin.get(name);
    return { mountpoint, scope: await plugin.scope() };
  } catch (error) {
    if (!isGantryError(error)) throw error;
    throw new GantryError(error.code, `create ${name}: ${error.message}`, error.details, error);
  }
}

/** `force` forgives a plugin that is gone, so that the name can be used again. */
async function removeByPlugin(
  drivers: VolumeDrivers,
  { name, driver = "" }: VolumeRecord,
  force: boolean,
): Promise<void> {
  try {
    await (await drivers.plugin(driver)).remove(name);
  } catch (error) {
    if (!force) throw error;
  }
}

async function mountLocal(target: string, options: Readonly<Record<string, string>>): Promise<void> {
  const wanted = parseVolumeOptions(options);
  if (!wanted || readMounts().some((each) => each.target === target)) return;
  const { device, type, flags, data } = await resolveAddress(wanted);
  try {
    mount(device, target, { type, flags, data });
  } catch (error) {
    if (!isSyscallError(error)) throw error;
    const where = `error while mounting volume '${target}': failed to mount local volume`;
    const flagText = flags === 0 ? "" : `, flags: 0x${flags.toString(16)}`;
    const text = `${where}: mount ${device}:${target}${flagText}${data === "" ? "" : `, data: ${data}`}: ${errnoText(error.errno)}`;
    throw new GantryError("internal", text, { target }, error);
  }
}

function unmountVolume(root: string, name: string): void {
  const target = dataDirectory(root, name);
  if (lstatSync(target, { throwIfNoEntry: false })?.isDirectory()) unmount(target);
}

function checkLocal(name: string, options: Readonly<Record<string, string>>): void {
  checkVolumeName(name);
  try {
    parseVolumeOptions(options);
  } catch (error) {
    if (!isGantryError(error)) throw error;
    throw new GantryError(error.code, `create ${name}: ${errorText(error)}`, error.details, error);
  }
}

function checkVolumeName(name: string): void {
  if (name.length === 1)
    throw new GantryError(
      "invalid",
      `create ${name}: volume name is too short, names should be at least two alphanumeric characters`,
      { volume: name },
    );
  if (VOLUME_NAME.test(name)) return;
  throw new GantryError(
    "invalid",
    `create ${name}: ${JSON.stringify(name)} includes invalid characters for a local volume name, only ` +
      `"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    { volume: name },
  );
}
