import type { Diff, Entries, PresenceEntry } from "./entries.ts";

/** A topic as the app has been told of it. */
interface View {
  readonly presences: Record<string, PresenceEntry>;
  /** The number of keys. */
  size: number;
  /** Settles when all that has been told is dealt with. */
  idle: Promise<void>;
}

/**
 * Tells the app of diffs: one at a time for each topic, in order, with what is present after it. That is kept from
 * one diff to the next, so that a change costs as much in a large topic as in a small one.
 */
export class Reactions {
  readonly #views = new Map<string, View>();
  readonly #handle: (topic: string, diff: Diff, presences: Entries) => unknown;
  readonly #failed: (topic: string, error: unknown) => void;
  #running = 0;

  constructor(
    handle: (topic: string, diff: Diff, presences: Entries) => unknown,
    failed: (topic: string, error: unknown) => void,
  ) {
    this.#handle = handle;
    this.#failed = failed;
  }

  /** Diffs that the app hasn't dealt with. */
  get running(): number {
    return this.#running;
  }

  add(topic: string, diff: Diff): void {
    const view = this.#view(topic);
    this.#running++;
    const react = async () => {
      try {
        apply(view, diff);
        await this.#handle(topic, diff, view.presences);
      } catch (error) {
        this.#failed(topic, error);
      }
      this.#running--;
      if (view.idle === done && view.size === 0) this.#views.delete(topic);
    };
    const done = view.idle.then(react);
    view.idle = done;
  }

  #view(topic: string): View {
    let view = this.#views.get(topic);
    if (view === undefined) {
      view = { presences: Object.create(null), size: 0, idle: Promise.resolve() };
      this.#views.set(topic, view);
    }
    return view;
  }
}

/** Does what the official client does with a diff. */
function apply(view: View, { joins, leaves }: Diff): void {
  const { presences } = view;
  for (const [key, joined] of Object.entries(joins)) {
    const present = presences[key];
    if (present === undefined) view.size++;
    const metas = [...(present?.metas ?? []), ...joined.metas];
    presences[key] = Object.freeze({ ...joined, metas: Object.freeze(metas) });
  }
  for (const [key, left] of Object.entries(leaves)) {
    const present = presences[key];
    if (present === undefined) continue;
    const refs = new Set(left.metas.map(({ phx_ref }) => phx_ref));
    const metas = present.metas.filter(({ phx_ref }) => !refs.has(phx_ref));
    if (metas.length > 0) {
      presences[key] = Object.freeze({ ...present, metas: Object.freeze(metas) });
    } else {
      delete presences[key];
      view.size--;
    }
  }
}
