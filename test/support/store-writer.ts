// Writes to a SQLite store as fast as it can and says what was acknowledged, until it is killed.
// Arguments: the store's path, and where to go on counting.
import { openSqliteStore } from "#store/sqlite.ts";

const [, , path = "", start = "0"] = process.argv;
const store = await openSqliteStore(path);
let next = Number(start);

async function write(): Promise<void> {
  for (;;) {
    const number = next++;
    const key = `/test/keys/${number % 50}`;
    const result = await store.commit({
      kind: "put",
      key,
      value: Buffer.from(`${number}:${"x".repeat(number % 3000)}`),
    });
    if (result.kind === "committed") process.stdout.write(`${result.revision} ${key} ${number}\n`);
  }
}

await Promise.all(Array.from({ length: 20 }, write));
