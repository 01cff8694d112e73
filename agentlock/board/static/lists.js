// Mail, sessions and the log, as lists.

import { empty, h, keep } from "./dom.js";
import { rows } from "./state.js";
import { age, avatar, clock, last } from "./words.js";
import { eventLine, matches } from "./now.js";

export function mailView(root, { find }) {
  if (!root.firstElementChild) {
    root.append(
      h("section", { class: "panel", id: "tickets" }, h("h2", {}, "Open questions"), h("ul", { class: "plain" })),
      h("section", { class: "panel", id: "letters" }, h("h2", {}, "Mail"), h("ul", { class: "plain mail" })));
  }
  const asked = rows("tickets").filter((row) => matches(find, row.from, row.to, row.question));
  root.querySelector("#tickets").hidden = !asked.length;
  keep(root.querySelector("#tickets ul"), asked, (row) => row.id, (row) =>
    h("li", { class: "place" }, h("div", { class: "row" }, avatar(row.from),
      h("span", { class: "text" }, h("strong", {}, row.from), " asks ", h("strong", {}, row.to), ": ", h("q", {}, row.question), h("small", {}, `answer it: agentlock answer ${row.id} TEXT`)),
      age(row.created, "", " ago"))));
  const found = rows("mail").filter((row) => matches(find, row.from, row.to.join(" "), row.subject, row.body)).reverse();
  keep(root.querySelector("#letters ul"), found.length ? found : [{ id: 0 }], (row) => row.id, (row) => (row.id ? letter(row) : h("li", {}, empty("No mail."))));
}

export function letter(row, isOpen = false) {
  const from = row.from || "agentlock";
  const state = row.ack ? "acknowledged" : row.read ? "read" : "unread";
  return h("li", {}, h("details", { open: isOpen, class: row.read ? "" : "unread" },
    h("summary", {}, avatar(from),
      h("span", { class: "text" }, h("strong", {}, from), " → ", row.to.slice(0, 4).join(", "), row.to.length > 4 ? ` and ${row.to.length - 4} more` : "", h("span", { class: "subject" }, row.subject)),
      h("span", { class: "tags" }, ["high", "urgent"].includes(row.importance) ? h("span", { class: "tag strong" }, row.importance) : null, row.question ? h("span", { class: "tag" }, "question") : null, h("span", { class: "tag" }, state), age(row.at, "", " ago"))),
    h("blockquote", {}, row.body || "(no text)")));
}

export function sessionsView(root, { find, open }) {
  if (!root.firstElementChild) {
    root.append(h("section", { class: "panel" }, h("h2", {}, "Sessions"), h("p", { class: "muted" }, "One line for each run of an agent's program. Edit hooks tell of them."),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Sessions, scrolls" }, h("table", {}, h("thead", {}, h("tr", {}, ["session", "agent", "program", "started", "state", "turns", "compactions", "where"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}))), h("p", { class: "more" })));
  }
  const found = rows("sessions").filter((row) => matches(find, row.agent, row.program, row.worktree)).sort((a, b) => (a.ended !== null) - (b.ended !== null) || b.started - a.started);
  root.querySelector(".more").replaceChildren(...(found.length ? [] : [empty("No session is known. See: agentlock edit-hooks install")]));
  keep(root.querySelector("tbody"), found.slice(0, 200), (row) => row.id, (row) =>
    h("tr", {}, h("td", {}, h("button", { type: "button", class: "quiet", "aria-label": `Session ${row.id} of ${row.agent}`, onclick: () => open("session", row.id) }, "chart")),
      h("td", {}, h("span", { class: "inline" }, avatar(row.agent), row.agent)), h("td", {}, row.program), h("td", {}, clock(row.started, true)),
      h("td", {}, row.ended ? age(row.ended, "ended ", " ago") : age(row.seen, "open, seen ", " ago")), h("td", { class: "number" }, String(row.turns)), h("td", { class: "number" }, String(row.compactions)), h("td", {}, last(row.worktree))));
}

let kinds = "";

export function logView(root, { find }) {
  const found = rows("events");
  const known = [...new Set(found.map((row) => row.kind))].sort();
  if (!root.firstElementChild) {
    root.append(h("section", { class: "panel" }, h("div", { class: "panel-head" }, h("h2", {}, "Log"), h("label", {}, "Kind ", h("select", { onchange: (event) => { kinds = event.target.value; logView(root, { find: document.getElementById("find").value }); } }))), h("ol", { class: "plain log long" }), h("p", { class: "muted" }, "The newest 300. All of it: agentlock log")));
  }
  const select = root.querySelector("select");
  keep(select, ["", ...known], (kind) => kind, (kind) => h("option", { value: kind }, kind || "all"));
  select.value = kinds;
  const shown = found.filter((row) => (!kinds || row.kind === kinds) && matches(find, row.agent, row.kind, row.pattern, row.detail)).reverse();
  keep(root.querySelector("ol"), shown, (row) => row.id, eventLine);
}
