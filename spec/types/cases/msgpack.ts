import { Endpoint, type Serializer, Socket, V2JSONSerializer } from "phoenix-channels-server";
import { MsgpackSerializer } from "../../../lib/protocol/msgpack.ts";
import { expectType, type Same } from "./expect-type.ts";

class UserSocket extends Socket {}

expectType<Same<typeof MsgpackSerializer, Serializer>>();
new Endpoint().socket("/socket", UserSocket, { serializers: [V2JSONSerializer, MsgpackSerializer] });
