// One thing in full, in a dialog: an agent, a lease, a file with its history, a session, a message.

import { empty, h, s } from "./dom.js";
import { ask, one, rows, send } from "./state.js";
import { age, avatar, clock, left, tick } from "./words.js";
import { now } from "./state.js";
import { eventLine, leaseLine, statePill } from "./now.js";
import { letter } from "./lists.js";

const dialog = document.getElementById("detail");

export function openDetail(kind, key) {
  const made = { agent: agentDetail, lease: leaseDetail, file: fileDetail, session: sessionDetail, message: messageDetail }[kind](key);
  if (!made) return;
  const [title, ...content] = made;
  dialog.replaceChildren(
    h("div", { class: "dialog-head" }, h("h2", { id: "detail-title" }, title), h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, h("span", { "aria-hidden": "true" }, "✕"))),
    h("div", { class: "dialog-body" }, content));
  tick(dialog, now());
  if (!dialog.open) dialog.showModal();
}

dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function agentDetail(name) {
  const row = one("agents", name);
  if (!row) return null;
  const held = rows("leases").filter((each) => each.agent === name);
  const waits = rows("waits").filter((each) => each.agent === name);
  const behind = rows("waits").filter((each) => each.behind.some((other) => other.agent === name));
  const events = rows("events").filter((each) => each.agent === name).slice(-20).reverse();
  return [
    h("span", { class: "inline" }, avatar(name), name),
    h("p", {}, statePill(row), row.state === "waiting" ? ` behind ${row.why}` : ` ${row.why}`),
    facts([["program", [row.program, row.model].filter(Boolean).join(", ")], ["branch", row.branch], ["worktree", row.worktree], ["host", row.host], ["last seen", age(row.seen, "", " ago")], ["unread", row.unread ? String(row.unread) : ""]]),
    section("Waits for", waits.map((each) => h("li", {}, h("code", {}, each.patterns.join(" ")), ` behind ${[...new Set(each.behind.map((other) => other.agent))].join(", ") || "nobody"}, since `, age(each.created)))),
    section("Who waits for it", behind.map((each) => h("li", {}, each.agent, " wants ", h("code", {}, each.patterns.join(" "))))),
    section(`Holds (${held.length})`, held.slice(0, 200).map((each) => leaseLine(each, openDetail)), "plain leases"),
    section("Lately", events.map(eventLine), "plain log"),
  ];
}

function section(title, items, style = "plain") {
  return items.length ? [h("h3", {}, title), h("ul", { class: style }, items)] : null;
}

function leaseDetail(id) {
  const row = one("leases", id);
  if (!row) return ["Lease " + id, empty("It has ended. See: agentlock show " + id)];
  const files = (row.spans ?? []).reduce((sum, [start, end]) => sum + end - start, 0);
  const wanted = rows("waits").filter((each) => each.behind.some((other) => other.lease === row.id));
  return [
    h("code", {}, row.pattern),
    facts([["holder", h("button", { type: "button", class: "name", onclick: () => openDetail("agent", row.agent) }, row.agent)], ["mode", row.exclusive ? "exclusive" : "shared"], ["reason", row.reason ? h("q", {}, row.reason) : "none given"], ["since", age(row.created, "", " ago")], ["ends in", left(row.expires)], ["files now", String(files)], ["worktree", row.worktree], ["number", String(row.id)]]),
    section("Who waits for it", wanted.map((each) => h("li", {}, each.agent, ", since ", age(each.created)))),
    document.documentElement.dataset.release === "yes" ? releaseForm(row) : h("p", { class: "muted" }, "To end it by force: ", h("code", {}, `agentlock release --id ${row.id} --force --reason 'why'`)),
  ];
}

function releaseForm(row) {
  const said = h("p", { role: "alert" });
  const field = (label, props) => h("label", {}, label, h("input", { required: true, autocomplete: "off", ...props }));
  return h("form", { class: "release", onsubmit: async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    try {
      const done = await send("/release", { id: row.id, reason: form.get("reason"), holder: form.get("holder"), key: form.get("key") });
      said.textContent = done.handed.length ? `Ended, and handed over to ${done.handed.join(", ")}.` : "Ended.";
    } catch (error) {
      said.textContent = error.message;
    }
  } },
  h("h3", {}, "End it by force"),
  h("p", { class: "muted" }, `${row.agent} and everybody else is told who did it, and why.`),
  field("Reason", { name: "reason", maxlength: 1000 }),
  field(`Type ${row.agent} to confirm`, { name: "holder" }),
  field("The owner's key, if the project has one", { name: "key", type: "password", required: false }),
  h("button", { type: "submit", class: "danger" }, "End this lease"), said);
}

function fileDetail(path) {
  const body = h("div", {}, empty("reading its history…"));
  ask("/history", { path }).then((answer) => {
    const entries = [
      ...answer.commits.map((each) => ({ at: each.at, element: h("li", { class: "event commit" }, h("time", { class: "at" }, clock(each.at, true)), h("span", { class: "kind" }, "commit"), h("span", { class: "text" }, h("code", {}, each.oid.slice(0, 10)), " ", h("strong", {}, each.agent || each.author), " ", each.subject, h("span", { class: "muted" }, each.how ? ` ${each.how}` : " no record"))) })),
      ...answer.events.map((each) => ({ at: each.at, element: eventLine(each) })),
    ].sort((a, b) => b.at - a.at);
    body.replaceChildren(entries.length ? h("ol", { class: "plain log" }, entries.map((each) => each.element)) : empty("Nothing has happened to it."));
  }).catch((error) => body.replaceChildren(empty(error.message)));
  return [h("code", {}, path), h("h3", {}, "History"), body];
}

function sessionDetail(id) {
  const body = h("div", {}, empty("reading its turns…"));
  ask("/session", { id }).then((answer) => {
    body.replaceChildren(facts([["agent", answer.session.agent], ["program", answer.session.program], ["turns", String(answer.session.turns)], ["compactions", String(answer.session.compactions)], ["tokens", answer.session.tokens === null ? "unknown" : answer.session.tokens.toLocaleString()]]), turnsChart(answer), turnsTable(answer));
  }).catch((error) => body.replaceChildren(empty(error.message)));
  return [`Session ${id}`, body];
}

function turnsChart({ turns, compactions }) {
  if (!turns.length) return empty("No turn is kept.");
  const [width, height, base] = [640, 190, 160];
  const shown = turns.slice(-200);
  const largest = Math.max(1, ...shown.map((turn) => turn.size));
  const wide = (width - 60) / shown.length;
  const place = (moment) => 50 + wide * shown.filter((turn) => turn.at <= moment).length;
  const tall = (turn) => Math.max(1, (turn.size / largest) * (base - 20));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Turns, scrolls" }, s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${shown.length} turns and ${compactions.length} compactions; the table has the figures` },
    s("line", { x1: 48, x2: width - 8, y1: base, y2: base, class: "grid" }),
    s("text", { x: 44, y: base, class: "tick", "text-anchor": "end" }, "0"),
    s("text", { x: 44, y: 24, class: "tick", "text-anchor": "end" }, largest.toLocaleString()),
    s("text", { x: 50, y: height - 8, class: "tick" }, `characters in each turn, green: the user's, blue: the agent's; ${clock(shown[0].at)} to ${clock(shown.at(-1).at)}`),
    shown.map((turn, at) => s("rect", { x: 50 + at * wide, y: base - tall(turn), width: Math.max(1, wide - 1), height: tall(turn), class: `turn ${turn.role}` }, s("title", {}, `${turn.role}, ${turn.size.toLocaleString()} characters, ${clock(turn.at)}`))),
    compactions.map((each) => s("g", { class: "compaction" }, s("line", { x1: place(each.at), x2: place(each.at), y1: 14, y2: base }), s("text", place(each.at) > width - 130 ? { x: place(each.at) - 4, y: 12, "text-anchor": "end" } : { x: place(each.at) + 4, y: 12 }, `compacted${each.by ? ` (${each.by})` : ""}`)))));
}

function turnsTable({ turns, compactions }) {
  const all = [...turns.map((turn) => ({ at: turn.at, what: turn.role, size: turn.size.toLocaleString() })), ...compactions.map((each) => ({ at: each.at, what: "compacted", size: `${each.turns} turns` }))].sort((a, b) => b.at - a.at).slice(0, 200);
  return h("details", {}, h("summary", {}, "As a table"), h("table", {}, h("thead", {}, h("tr", {}, ["when", "what", "characters"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, all.map((each) => h("tr", {}, h("td", {}, clock(each.at, true)), h("td", {}, each.what), h("td", { class: "number" }, each.size))))));
}

function messageDetail(id) {
  const row = one("mail", id);
  return row ? ["Message " + id, h("ul", { class: "plain mail" }, letter(row, true))] : ["Message " + id, empty("It is older than what the board shows. See: agentlock read " + id)];
}
