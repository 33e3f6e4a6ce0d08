import Fastify from "fastify";
import { Endpoint } from "phoenix-channels-server";
import { UserSocket } from "./sockets.mjs";

const app = Fastify();
app.get("/", async () => "host app");
const endpoint = new Endpoint();
endpoint.socket("/socket", UserSocket);
endpoint.attach(app.server);
await app.listen({ port: 0, host: "127.0.0.1" });
console.log(app.server.address().port);
