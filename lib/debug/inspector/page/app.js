import { Connection } from "./connection.js";
import { Detail } from "./detail.js";
import { byId, setText } from "./dom.js";
import { Flow } from "./flow.js";
import { useKeys } from "./keys.js";
import { Meters } from "./meters.js";
import { useSplitter } from "./splitter.js";
import { TABLES, Tables } from "./tables.js";
import { toggleTheme, useTheme } from "./theme.js";

/** A trace costs the server time: milliseconds for which one runs on that nobody sees. */
const UNSEEN_FOR = 60_000;

const STATES = {
  connecting: "connecting",
  online: "live",
  offline: "server away, reconnecting",
  refused: "refused: not allowed to look, or server away",
};

useTheme();
useSplitter();
const meters = new Meters();
const detail = new Detail({ onClose: closeDetail });
const flow = new Flow({ onSelect: selectStep });

/** Which of this page's requests to follow the steps that come belong to. */
let following = 0;
/** Shown only while it is what was asked for last. */
let asked = 0;
let selected = null;
let connection = null;

const tables = new Tables({ onWatch: watch, onChoose: choose });

connection = new Connection({
  state: (state) => {
    byId("status").dataset.state = state;
    setText(byId("status-text"), STATES[state]);
  },
  joined: () => {
    watch();
    if (flow.subject?.follow !== undefined) void follow(flow.subject.follow);
  },
  look: (look) => {
    meters.show(look);
    tables.counts(look);
    tables.show(look.table, look.at);
    flow.tick();
  },
  steps: (sample) => {
    if (sample.following === following) flow.add(sample);
  },
});

let hidden = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hidden);
  const criteria = flow.subject?.follow;
  if (criteria === undefined) return;
  if (document.hidden) {
    hidden = setTimeout(() => {
      following = 0;
      connection.ask("unfollow").catch(unheard);
    }, UNSEEN_FOR);
  } else if (following === 0) {
    void follow(criteria);
  }
});

byId("follow-all").addEventListener("click", followAll);

function watch() {
  // The tables open before there is a connection, which asks again when it is joined.
  connection
    ?.ask("watch", tables.watched)
    .then(({ at, ...table }) => tables.show(table, at))
    .catch(unheard);
}

function choose(subject) {
  detail.close();
  delete byId("flow").dataset.following;
  flow.begin(subject);
  if (subject.explain !== undefined) void explain(subject.explain);
  else void follow(subject.follow);
  if (subject.about !== undefined) detail.showAbout(subject.about);
}

function followAll() {
  tables.unchoose();
  choose({ kind: "all", title: "Every message on this node", follow: {} });
}

async function follow(criteria) {
  const mine = ++asked;
  following = 0;
  try {
    const answer = await connection.ask("follow", criteria);
    if (mine !== asked) return;
    following = answer.following;
    byId("flow").dataset.following = String(following);
  } catch (error) {
    unheard(error);
  }
}

/** A failure that is over: what is kept of it, and what it means. */
async function explain(id) {
  const mine = ++asked;
  following = 0;
  try {
    // While a trace runs, more is known.
    const explanation = await connection.ask("explain", { id });
    connection.ask("unfollow").catch(unheard);
    if (mine !== asked) return;
    flow.add({ steps: explanation.steps });
    detail.showExplanation(explanation);
  } catch (error) {
    if (mine === asked) detail.showAbout({ title: id, parts: [{ value: error.message }] });
  }
}

function selectStep(row) {
  selected = row;
  if (row === null) {
    detail.close();
    return;
  }
  const failure = detail.showRow(row, flow.stepsOf(row.id));
  if (failure === null) return;
  connection
    .ask("explain", { id: failure.id })
    .then((explanation) => {
      if (selected === row) detail.addAdvice(explanation);
    })
    .catch(unheard);
}

function closeDetail() {
  const wasInside = byId("detail").contains(document.activeElement);
  flow.unselect();
  detail.close();
  if (wasInside) byId("flow").focus();
}

/** The server is away, or doesn't know any more: the state in the bar says so, and what was asked is asked again. */
function unheard() {}

useKeys([
  ...Object.entries(TABLES).map(([name, { title }], i) => ({
    keys: [String(i + 1)],
    what: title,
    run: () => tables.open(name),
  })),
  { keys: ["/"], what: "Search the table", run: () => tables.focusSearch() },
  { keys: ["f"], what: "Search the messages", run: () => flow.focusSearch() },
  { keys: ["a"], what: "Follow all messages", run: followAll },
  { keys: ["p"], what: "Pause and resume", run: () => flow.togglePause() },
  { keys: ["c"], what: "Clear the diagram", run: () => flow.clear() },
  { keys: ["e"], what: "Export the trace", run: () => flow.save() },
  { keys: ["t"], what: "Light or dark colours", run: toggleTheme },
  { keys: ["Esc"], what: "Close the details", run: closeDetail },
]);
