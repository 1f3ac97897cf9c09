import { memoryStore } from "./memory.ts";
import { storeSuite } from "./store.suite.ts";

storeSuite("memory", async (t, options) => {
  const store = memoryStore(options);
  t.after(() => store.close());
  return store;
});
