import type { Clock } from "#base/clock.ts";
import { uuid } from "#base/ids.ts";
import type { BlobWriter, ContentLease, ContentStore } from "#images/content-store.ts";
import { RegistryError } from "./registry-error.ts";

/** A blob that is being sent, over several requests maybe. */
export interface Upload {
  readonly id: string;
  readonly name: string;
  readonly writer: BlobWriter;
  readonly lease: ContentLease;
  /** A request is writing to it now. */
  busy: boolean;
}

export interface Uploads {
  begin(name: string): Promise<Upload>;
  /** Throws BLOB_UPLOAD_UNKNOWN. */
  get(id: string, name: string): Upload;
  /** Runs `write` with the upload to itself; throws BLOB_UPLOAD_INVALID when another request has it. */
  exclusively<T>(upload: Upload, write: () => Promise<T>): Promise<T>;
  /** Forgets it, with all that has arrived of it and is not committed. */
  end(upload: Upload): Promise<void>;
  close(): Promise<void>;
}

/** Uploads at a time; one more is refused (429). Who sends nothing for so long has given up. */
const MAX_UPLOADS = 1024;
const IDLE_MS = 60 * 60 * 1000;

export function openUploads(content: ContentStore, clock: Clock): Uploads {
  const known = new Map<string, { upload: Upload; stop: () => void }>();
  const watch = (upload: Upload): void => {
    known.get(upload.id)?.stop();
    const stop = clock.after(IDLE_MS, () => {
      if (upload.busy) watch(upload);
      else void uploads.end(upload);
    });
    known.set(upload.id, { upload, stop });
  };
  const uploads: Uploads = {
    async begin(name) {
      if (known.size >= MAX_UPLOADS)
        throw new RegistryError("TOOMANYREQUESTS", `there are ${MAX_UPLOADS} uploads already`);
      const lease = content.lease();
      const upload: Upload = { id: uuid(), name, lease, writer: await lease.writer(), busy: false };
      watch(upload);
      return upload;
    },
    get(id, name) {
      const found = known.get(id)?.upload;
      if (found?.name !== name) throw new RegistryError("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
      return found;
    },
    async exclusively(upload, write) {
      if (upload.busy) throw new RegistryError("BLOB_UPLOAD_INVALID", "another request is writing to this upload");
      upload.busy = true;
      try {
        return await write();
      } finally {
        upload.busy = false;
        if (known.has(upload.id)) watch(upload);
      }
    },
    async end(upload) {
      known.get(upload.id)?.stop();
      known.delete(upload.id);
      await upload.writer.abort();
      upload.lease.release();
    },
    async close() {
      for (const { upload } of Array.from(known.values())) await uploads.end(upload);
    },
  };
  return uploads;
}
