// A DNS client of its own process: asks a server for names as fast as it answers, some questions always under way. Arguments: address, port, seconds, names...
import { createSocket } from "node:dgram";
import * as dns from "dns-packet";

const [address = "", port = "", seconds = "", ...names] = process.argv.slice(2);
const UNDER_WAY = 64;
const socket = createSocket("udp4");
let answered = 0;
let next = 0;
const ask = (): void => {
  const name = names[next % names.length] ?? "";
  const packet = dns.encode({
    type: "query",
    id: next & 0xffff,
    flags: dns.RECURSION_DESIRED,
    questions: [{ type: "A", name }],
  });
  next++;
  socket.send(packet, Number(port), address);
};
socket.on("message", () => {
  answered++;
  ask();
});
socket.bind(0, () => {
  for (let index = 0; index < UNDER_WAY; index++) ask();
});
setTimeout(
  () => {
    process.stdout.write(`${answered / Number(seconds)}\n`);
    process.exit(0);
  },
  Number(seconds) * 1000,
);
