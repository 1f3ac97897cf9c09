import assert from "node:assert/strict";
import { test } from "node:test";
import { isGantryError } from "#base/errors.ts";
import { checkKernel, remapOf } from "./userns-remap.ts";

const files = {
  passwd: "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n",
  group: "root:x:0:\nstaff:x:50:ann\n",
  subuid: "# who has what\nbob:1:2\nann:100000:65536\n1000:300000:1000\ndockremap:500000:65536\n",
  subgid: "ann:200000:65536\ndockremap:600000:65536\n",
};
const ids = (containerID: number, hostID: number, size: number) => ({ containerID, hostID, size });

test("all ranges of a user, by name and by number, one after the other", () => {
  const expected = {
    uidMappings: [ids(0, 100000, 65536), ids(65536, 300000, 1000)],
    gidMappings: [ids(0, 200000, 65536)],
  };
  for (const wanted of ["ann", "1000", "ann:staff", "1000:50"]) assert.deepEqual(remapOf(wanted, files), expected);
  assert.deepEqual(remapOf("default", files), {
    uidMappings: [ids(0, 500000, 65536)],
    gidMappings: [ids(0, 600000, 65536)],
  });
  assert.equal(remapOf("root", files), undefined);
});

test("what is wrong is named", () => {
  const refuses = (wanted: string, message: RegExp, texts = files): void =>
    assert.throws(
      () => remapOf(wanted, texts),
      (error) => isGantryError(error, "invalid") && message.test(error.message),
    );
  for (const wanted of ["", ":", "ann:", ":staff", "a:b:c"]) refuses(wanted, /invalid user\/group specification/);
  refuses("eve", /user eve is not in \/etc\/passwd/);
  refuses("ann:eve", /group eve is not in \/etc\/group/);
  refuses("ann", /no subgid ranges found for user "ann"/, { ...files, subgid: "" });
  refuses("default", /add a line "dockremap:100000:65536"/, { ...files, subuid: "" });
  refuses("ann", /not "user:first id:count"/, { ...files, subuid: "ann:x:1" });
});

test("older kernels cannot", () => {
  for (const version of ["5.19.0", "6.1.0-18-cloud-amd64", "10.0"]) checkKernel(version);
  for (const version of ["5.18.19", "4.19.0-6-amd64"]) assert.throws(() => checkKernel(version), /needs Linux 5\.19/);
});
