import type { Volume } from "#containers/engine.ts";
import { formatTime } from "#formats/docker-time.ts";

/** A volume as list and inspect show it; `status` is what its plugin tells. */
export function volumeDocument(volume: Volume, status?: Readonly<Record<string, unknown>>): object {
  const { labels, options } = volume;
  return {
    // A plugin does not tell when it made a volume.
    ...(volume.createdAt > 0 && { CreatedAt: formatTime(Math.floor(volume.createdAt / 1000) * 1000) }),
    Driver: volume.driver,
    Labels:
      Object.keys(labels).length > 0 || !volume.anonymous
        ? Object.keys(labels).length > 0
          ? labels
          : null
        : { "com.docker.volume.anonymous": "" },
    Mountpoint: volume.mountpoint,
    Name: volume.name,
    Options: Object.keys(options).length > 0 ? options : null,
    Scope: volume.scope,
    ...(status && Object.keys(status).length > 0 && { Status: status }),
  };
}
