import type { BuildEvent, BuildWarning } from "#formats/build-events.ts";
import type { ProgressMessage } from "#images/image-store.ts";

/** Text of a step that waits for its turn, at most; more of it is left out, and that is told. */
const HELD_CHARACTERS = 1024 * 1024;

interface Held {
  readonly messages: ProgressMessage[];
  characters: number;
  ended: boolean;
}

/**
 * The classic builder's stream of a build's events: steps in the order of the Dockerfile, one after the other, whatever ran side by
 * side; what a later step says is held until its turn.
 */
export function classicOutput(send: (message: ProgressMessage) => void): (event: BuildEvent) => void {
  const steps: Held[] = [];
  const warnings: BuildWarning[] = [];
  let texts: readonly string[] = [];
  let shown = 0;
  const tell = (vertex: number, message: ProgressMessage): void => {
    const held = steps[vertex];
    if (!held) return;
    if (vertex === shown) return send(message);
    held.characters += JSON.stringify(message).length;
    if (held.characters <= HELD_CHARACTERS) held.messages.push(message);
    else if (held.messages.at(-1) !== LEFT_OUT) held.messages.push(LEFT_OUT);
  };
  const end = (vertex: number): void => {
    const held = steps[vertex];
    if (held) held.ended = true;
    while (steps[shown]?.ended) {
      shown++;
      for (const message of steps[shown]?.messages.splice(0) ?? []) send(message);
    }
  };
  return (event) => {
    switch (event.kind) {
      case "plan":
        texts = event.vertices.map(({ text }) => text);
        for (const _ of texts) steps.push({ messages: [], characters: 0, ended: false });
        return;
      case "started":
        return tell(event.vertex, { stream: `Step ${event.vertex + 1}/${texts.length} : ${texts[event.vertex]}\n` });
      case "container":
        return tell(event.vertex, { stream: ` ---> Running in ${event.id.slice(0, 12)}\n` });
      case "cached":
        return tell(event.vertex, { stream: " ---> Using cache\n" });
      case "log":
        return tell(event.vertex, { stream: event.text });
      case "pull":
        return tell(event.vertex, event.message);
      case "done":
        if (event.imageId !== undefined) tell(event.vertex, { stream: ` ---> ${shortId(event.imageId)}\n` });
        return end(event.vertex);
      case "failed":
      case "canceled":
        return end(event.vertex);
      case "warning":
        if (event.warning.rule !== "") warnings.push(event.warning);
        else send({ stream: `[Warning] ${event.warning.message}\n` });
        return;
      case "result":
        send({ aux: { ID: event.imageId } });
        for (const text of checkLines(warnings)) send({ stream: text });
        return send({ stream: `Successfully built ${shortId(event.imageId)}\n` });
      case "tagged":
        return send({ stream: `Successfully tagged ${event.tag}\n` });
    }
  };
}

const LEFT_OUT: ProgressMessage = { stream: "[output clipped, log limit 1MiB reached]\n" };

/** What the checks say, as the docker CLI tells it of BuildKit's. */
function checkLines(warnings: readonly BuildWarning[]): string[] {
  if (warnings.length === 0) return [];
  const lines = warnings.map(({ rule, message, line }) => ` - ${rule}: ${message} (line ${line})\n`);
  return [`\n ${warnings.length} warning${warnings.length === 1 ? "" : "s"} found:\n`, ...lines, "\n"];
}

function shortId(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}
