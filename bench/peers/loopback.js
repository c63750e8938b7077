/** Loaded before a peer that would listen on every address: it listens on loopback, on a port of the system's choice, which is printed on descriptor 3. */
import { writeSync } from "node:fs";
import { Server } from "node:net";

const { listen } = Server.prototype;
Server.prototype.listen = function listenOnLoopback() {
  return listen.call(this, 0, "127.0.0.1", () => writeSync(3, `${this.address().port}\n`));
};
