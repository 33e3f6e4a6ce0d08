import { createServer } from "node:http";
import { Endpoint } from "phoenix-channels-server";
import { UserSocket } from "./sockets.mjs";

const server = createServer((_request, response) => response.end("host app"));
const endpoint = new Endpoint();
endpoint.socket("/socket", UserSocket);
endpoint.attach(server);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
