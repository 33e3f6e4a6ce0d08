export type { AssertOptions, RefuteOptions } from "./assert-options.ts";
export type { AssignsArgument, Refusal, SocketClassOf } from "./channel-case.ts";
export { type ChannelCase, channelCase } from "./channel-case.ts";
export type { Any, AnyClass } from "./match.ts";
export type { ChannelCaseOptions } from "./options.ts";
export type { Replayed, ReplayedConnect, ReplayOptions } from "./replay/replay.ts";
export { replay } from "./replay/replay.ts";
export type { ClientInfo } from "./request.ts";
export type { Timers } from "./simulation/client-timers.ts";
export type { Fault, FaultKind } from "./simulation/faults.ts";
export type {
  PhoenixChannel,
  PhoenixMessage,
  PhoenixPresence,
  PhoenixPush,
  PhoenixSocket,
} from "./simulation/phoenix.ts";
export type { Random } from "./simulation/random.ts";
export type {
  FaultOptions,
  SeedsOptions,
  SimulatedClient,
  SimulatedServer,
  Simulation,
  SimulationOptions,
} from "./simulation/simulation.ts";
export { simulate, simulateSeeds } from "./simulation/simulation.ts";
export type { TestChannel } from "./test-channel.ts";
export type { Closed, JoinOutcome, TestSocket } from "./test-socket.ts";
export { VirtualClock } from "./virtual-clock.ts";
