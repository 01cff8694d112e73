// The first view: what needs a person, the agents with what they hold, the queue, what happens.

import { empty, h, keep } from "./dom.js";
import { one, rows } from "./state.js";
import { age, avatar, clock, counted, last, left } from "./words.js";

const ORDER = ["gone", "silent", "at-prompt", "waiting", "working"];
const MOST = 60;
let shownAgents = MOST;

export function matches(text, ...values) {
  if (!text) return true;
  const wanted = text.toLowerCase();
  return values.some((value) => String(value ?? "").toLowerCase().includes(wanted));
}

export function hero(root) {
  const found = one("about", "headline")?.text ?? "";
  const needs = rows("attention");
  const level = needs.some((row) => row.level === "stuck") ? "stuck" : needs.some((row) => row.level === "look") ? "look" : "calm";
  const trouble = [...rows("trouble").map((row) => ({ text: `The table cannot be read: ${row.text}`, level: "stuck" }))];
  if (one("about", "guard")?.in_place === false) trouble.push({ text: "The hooks are not in place: git refuses nothing here. fix: agentlock hooks install", level: "stuck" });
  if (one("about", "project")?.enforcement === "warn") trouble.push({ text: "The policy only warns: git refuses nothing.", level: "look" });
  const agents = rows("agents");
  const busy = agents.filter((row) => row.state === "working").length;
  const waiting = new Set(rows("waits").map((row) => row.agent)).size;
  const counts = [
    [busy, "at work"],
    [waiting, "waiting"],
    [rows("leases").length, "leases"],
    [agents.reduce((sum, row) => sum + row.unread, 0), "unread"],
  ];
  const item = { level: trouble.length ? trouble[0].level : level, found, trouble, counts };
  keep(root, [item], () => "hero", ({ level: how }) =>
    h("div", { class: `glance ${how}` },
      h("div", { class: "sentence" },
        h("span", { class: "lamp", "aria-hidden": "true" }),
        h("div", {}, h("h1", {}, found), trouble.map((row) => h("p", { class: "trouble" }, row.text)))),
      h("dl", { class: "counts" }, counts.map(([number, what]) => h("div", {}, h("dd", {}, number.toLocaleString()), h("dt", {}, what))))));
}

export function nowView(root, { find, open }) {
  if (!root.firstElementChild) {
    root.append(
      h("section", { id: "needs", class: "panel needs", "aria-label": "What needs you" }, h("h2", {}, "Needs a person"), h("ul", { class: "plain" })),
      h("div", { class: "columns" },
        h("section", { id: "agents", "aria-label": "Agents" }, h("h2", {}, "Agents"), h("ul", { class: "plain cards" }), h("p", { class: "more" })),
        h("aside", {},
          h("section", { id: "queue-list", class: "panel", "aria-label": "Queue" }, h("h2", {}, "Queue"), h("ul", { class: "plain" })),
          h("section", { id: "events", class: "panel", "aria-label": "What happens" }, h("h2", {}, "What happens"), h("ol", { class: "plain log" })))));
  }
  drawNeeds(root.querySelector("#needs"), find, open);
  drawAgents(root.querySelector("#agents"), find, open);
  drawQueue(root.querySelector("#queue-list"), find, open);
  drawEvents(root.querySelector("#events"), find, open);
}

function drawNeeds(section, find, open) {
  const found = rows("attention").filter((row) => matches(find, row.text));
  section.hidden = !found.length;
  keep(section.querySelector("ul"), found, (row) => row.id, (row) =>
    h("li", { class: `need ${row.level}` },
      h("button", { type: "button", class: "row", onclick: () => openNeed(row, open) },
        h("span", { class: "level" }, { stuck: "stuck", look: "look", note: "note" }[row.level]),
        h("span", { class: "text" }, row.text),
        age(row.since, "", " ago"))));
}

function openNeed(row, open) {
  if (row.lease) open("lease", row.lease);
  else if (row.message) open("message", row.message);
  else if (row.agent) open("agent", row.agent);
}

function drawAgents(section, find, open) {
  const leases = new Map();
  for (const row of rows("leases")) {
    if (!leases.has(row.agent)) leases.set(row.agent, []);
    leases.get(row.agent).push(row);
  }
  const waits = new Map();
  for (const row of rows("waits")) if (!waits.has(row.agent)) waits.set(row.agent, row);
  const pressing = new Set(rows("attention").filter((row) => row.level === "stuck").flatMap((row) => [row.agent, row.holder]));
  const found = rows("agents")
    .map((row) => ({ row, held: (leases.get(row.name) ?? []).slice(0, 4), wait: waits.get(row.name) ?? null, pressing: pressing.has(row.name) }))
    .filter(({ row, held, wait }) => matches(find, row.name, row.branch, row.worktree, row.program, row.state, ...held.map((one) => `${one.pattern} ${one.reason}`), ...(wait?.patterns ?? [])));
  const rank = ({ row, pressing: first }) => (first ? 0 : row.holds || row.waits ? 1 : 2) * 10 + ORDER.indexOf(row.state);
  found.sort((a, b) => rank(a) - rank(b) || b.row.seen - a.row.seen);
  keep(section.querySelector("ul"), found.slice(0, shownAgents), ({ row }) => row.name, (item) => agentCard(item, open));
  const more = section.querySelector(".more");
  if (!found.length) more.replaceChildren(empty(find ? "No agent matches." : "No agent has been here yet. Agents appear with their first command."));
  else if (found.length > shownAgents) {
    more.replaceChildren(h("button", { type: "button", class: "quiet", onclick: () => { shownAgents += 200; drawAgents(section, find, open); } }, `Show more (${(found.length - shownAgents).toLocaleString()})`));
  } else more.replaceChildren();
}

function agentCard({ row, held, wait, pressing }, open) {
  const where = [row.branch, last(row.worktree)].filter(Boolean).join(" in ") || "place unknown";
  return h("li", { class: `card${pressing ? " pressing" : ""}`, style: { "--hue": 0 } },
    h("div", { class: "who" },
      avatar(row.name),
      h("div", {},
        h("button", { type: "button", class: "name", "data-focus": "name", onclick: () => open("agent", row.name) }, row.name),
        h("p", { class: "muted" }, [where, row.program].filter(Boolean).join(" · "))),
      statePill(row)),
    held.length ? h("ul", { class: "plain leases" }, held.map((one) => leaseLine(one, open))) : null,
    row.holds > held.length ? h("p", { class: "muted" }, `and ${(row.holds - held.length).toLocaleString()} more`) : null,
    wait ? h("p", { class: "waits" }, "waits for ", h("code", {}, wait.patterns.slice(0, 2).join(" ")), wait.behind.length ? ` behind ${[...new Set(wait.behind.map((one) => one.agent))].slice(0, 3).join(", ")}` : "", ", for ", age(wait.created)) : null);
}

export function statePill(row) {
  return h("span", { class: `state ${row.state}`, title: row.why },
    h("span", {}, stateText(row.state)), " ", age(row.since));
}

export function stateText(state) {
  return state === "at-prompt" ? "at its prompt" : state;
}

export function leaseLine(row, open) {
  return h("li", {},
    h("button", { type: "button", class: "lease", "data-focus": `lease${row.id}`, onclick: () => open("lease", row.id) },
      h("code", {}, row.pattern),
      h("span", { class: "tags" },
        row.exclusive ? null : h("span", { class: "tag" }, "shared"),
        row.offer ? h("span", { class: "tag" }, "offered") : null,
        row.automatic ? h("span", { class: "tag" }, "by an edit") : null,
        left(row.expires, "", " left")),
      h("span", { class: "bar", "data-from": row.created, "data-to": row.expires, "aria-hidden": "true" })),
    row.reason ? h("p", { class: "said" }, `“${row.reason}”`) : null);
}

function drawQueue(section, find, open) {
  const found = rows("waits").filter((row) => matches(find, row.agent, ...row.patterns, row.reason)).slice(0, 30);
  keep(section.querySelector("ul"), found.length ? found : [{ id: "none" }], (row) => row.id, (row) =>
    row.id === "none" ? h("li", {}, empty("Nobody waits.")) :
      h("li", { class: "place" },
        h("button", { type: "button", class: "row", onclick: () => open("agent", row.agent) },
          avatar(row.agent),
          h("span", { class: "text" }, h("strong", {}, row.agent), " waits for ", h("code", {}, row.patterns.slice(0, 2).join(" ")),
            row.behind.length ? h("span", { class: "muted" }, " held by ", [...new Set(row.behind.map((one) => one.agent))].slice(0, 3).join(", ")) : null),
          age(row.created))));
}

export function eventLine(row) {
  return h("li", { class: `event ${row.kind}` },
    h("time", { class: "at" }, clock(row.at)),
    h("span", { class: "kind" }, row.kind),
    h("span", { class: "text" }, row.agent ? h("strong", {}, row.agent) : null, " ", row.pattern ? h("code", {}, row.pattern) : null,
      row.detail ? h("span", { class: "muted" }, ` ${row.detail}`) : null));
}

function drawEvents(section, find, open) {
  const found = rows("events").filter((row) => matches(find, row.agent, row.kind, row.pattern, row.detail)).slice(-25).reverse();
  keep(section.querySelector("ol"), found, (row) => row.id, eventLine);
}

export { counted };
