import { createServer } from "node:http";
import express from "express";
import { Endpoint } from "phoenix-channels-server";
import { UserSocket } from "./sockets.mjs";

const app = express();
app.get("/", (_request, response) => response.send("host app"));
const server = createServer(app);
const endpoint = new Endpoint();
endpoint.socket("/socket", UserSocket);
endpoint.attach(server);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
