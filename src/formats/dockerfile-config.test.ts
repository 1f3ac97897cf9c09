import assert from "node:assert/strict";
import { test } from "node:test";
import { applyChanges } from "./dockerfile-config.ts";

test("changes of commit and import", () => {
  assert.deepEqual(
    applyChanges({ Env: ["A=1"], Cmd: ["old"], WorkingDir: "/srv" }, [
      "ENV A=2 B=$A",
      "WORKDIR app",
      'ENTRYPOINT ["/run"]',
      "EXPOSE 80-81 53/UDP",
      'LABEL x="a b"',
      "VOLUME /data",
      "USER app",
      "STOPSIGNAL SIGINT",
      "ONBUILD RUN make",
    ]),
    {
      Env: ["A=2", "B=1"],
      Cmd: null,
      Entrypoint: ["/run"],
      WorkingDir: "/srv/app",
      ExposedPorts: { "80/tcp": {}, "81/tcp": {}, "53/udp": {} },
      Labels: { x: "a b" },
      Volumes: { "/data": {} },
      User: "app",
      StopSignal: "SIGINT",
      OnBuild: ["RUN make"],
    },
  );
  assert.deepEqual(applyChanges({}, ["CMD echo hi", "ENTRYPOINT x"]), {
    Cmd: ["/bin/sh", "-c", "echo hi"],
    Entrypoint: ["/bin/sh", "-c", "x"],
  });
});

test("other instructions are no changes", () => {
  assert.throws(() => applyChanges({}, ["RUN x"]), { code: "invalid", message: "RUN is not a valid change command" });
  assert.throws(() => applyChanges({}, ["NOPE x"]), { code: "invalid", message: "NOPE is not a valid change command" });
  assert.throws(() => applyChanges({}, ["STOPSIGNAL NOPE"]), { message: "invalid signal: NOPE" });
});
