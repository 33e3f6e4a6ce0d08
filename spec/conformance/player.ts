import { compare } from "./compare.ts";
import type { Inbox } from "./inbox.ts";
import type { Scenario, Step } from "./scenario.ts";

/** A connection that a scenario has opened. */
export interface PlayedConnection {
  readonly inbox: Inbox;
  /**
   * Resolves when all that the server sent before now has arrived, by a probe that the server answers in order, or
   * by the end if the connection is about to end; false if neither comes.
   */
  settle(): Promise<boolean>;
}

/** What a kind of transcript can do: by its key in the step, with what stands there. */
export type Actions = { readonly [name: string]: (argument: unknown) => Promise<void> | void };

/** Plays a scenario's steps, and compares after each what all connections have received. */
export async function play(
  scenario: Scenario,
  actions: Actions,
  connections: ReadonlyMap<string, PlayedConnection>,
): Promise<void> {
  for (const [i, step] of scenario.steps.entries()) {
    const name = actionOf(step, actions);
    await actions[name]?.(step[name]);
    await compareReceived(step.receives, `step ${i + 1}, ${name}`, connections);
  }
}

/** The name of a step's one action. */
export function actionOf(step: Step, actions: object): string {
  const names = Object.keys(step).filter((key) => key !== "receives" && !key.startsWith("_"));
  const [name] = names;
  if (name === undefined || names.length > 1 || !Object.hasOwn(actions, name)) {
    throw new Error(`a step has one of the actions ${Object.keys(actions)}, this one has ${names}`);
  }
  return name;
}

/** Compares what connections have received with what is recorded, once all of it is there. */
export async function compareReceived(
  receives: Step["receives"],
  where: string,
  connections: ReadonlyMap<string, PlayedConnection>,
): Promise<void> {
  const unknown = Object.keys(receives).filter((conn) => !connections.has(conn));
  if (unknown.length > 0) throw new Error(`${where}: ${unknown} receive, but haven't connected`);
  const all = [...connections];
  const countFor = (conn: string) => receives[conn]?.length ?? 0;

  await Promise.all(
    all.map(([conn, { inbox }]) => inbox.until(() => inbox.ended || inbox.length >= countFor(conn))),
  );
  const complete = all.every(([conn, { inbox }]) => inbox.length >= countFor(conn));
  const unsettled: string[] = [];
  // If something is missing already, comparing tells what; a probe could only be late for it.
  // Twice, since what an action sets off at one connection may go out to another behind the answer to its probe.
  for (let round = 0; complete && unsettled.length === 0 && round < 2; round++) {
    await Promise.all(
      all.map(async ([conn, connection]) => {
        if (!(await connection.settle())) unsettled.push(conn);
      }),
    );
  }
  for (const [conn, { inbox }] of all) {
    compare(inbox.take(countFor(conn)), receives[conn] ?? [], `${where}: what ${conn} received`);
  }
  if (unsettled.length > 0) throw new Error(`${where}: ${unsettled} neither answered a probe nor ended`);
}
