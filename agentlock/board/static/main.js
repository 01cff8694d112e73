// Starts the board: views, search, keys, theme, and redrawing when something has changed.

import { h, keep } from "./dom.js";
import { connect, isSaved, now, onChange, one, rows } from "./state.js";
import { tick } from "./words.js";
import { hero, nowView } from "./now.js";
import { filesView } from "./files.js";
import { queueView } from "./queue.js";
import { pastView } from "./past.js";
import { logView, mailView, sessionsView } from "./lists.js";
import { openDetail } from "./detail.js";

const VIEWS = [
  { id: "now", name: "Now", draw: nowView },
  { id: "files", name: "Files", draw: filesView },
  { id: "queue", name: "Queue", draw: queueView },
  { id: "time", name: "Time", draw: pastView },
  { id: "mail", name: "Mail", draw: mailView },
  { id: "sessions", name: "Sessions", draw: sessionsView },
  { id: "log", name: "Log", draw: logView },
];
const KEYS = [["1 – 7", "views"], ["/", "search"], ["Esc", "clear the search, close what is open"], ["Tab, Enter", "go through what can be opened, and open it"], ["t", "light or dark"], ["?", "these keys"]];
const REDRAW = 250;

const root = document.getElementById("view");
const finding = document.getElementById("find");
let view = VIEWS[0];
let waiting = 0;
let drawn = 0;
let saidLast = null;

if (location.search && !isSaved) history.replaceState(null, "", `/${location.hash}`); // the token is in the cookie now

function draw() {
  drawn = performance.now();
  const folder = one("about", "project")?.folder ?? "agentlock";
  document.getElementById("folder").textContent = folder;
  const stuck = rows("attention").filter((row) => row.level === "stuck").length;
  document.title = `${stuck ? `(${stuck}) ` : ""}${folder} · agentlock board`;
  hero(document.getElementById("hero"));
  view.draw(root, { find: finding.value.trim(), open: openDetail });
  tick(document, now());
  announce();
}

// At most some times a second, however fast changes come.
function later() {
  if (waiting) return;
  const rest = Math.max(0, REDRAW - (performance.now() - drawn));
  waiting = setTimeout(() => {
    waiting = 0;
    requestAnimationFrame(draw);
  }, rest);
}

function announce() {
  const text = one("about", "headline")?.text ?? "";
  if (text !== saidLast && saidLast !== null) document.getElementById("said").textContent = text;
  saidLast = text;
}

function show(id) {
  const found = VIEWS.find((each) => each.id === id) ?? VIEWS[0];
  if (found !== view || !root.firstElementChild) {
    view = found;
    root.replaceChildren();
    root.className = `view-${view.id}`;
  }
  for (const link of document.getElementById("views").children) link.setAttribute("aria-current", link.hash === `#${view.id}` ? "page" : "false");
  draw();
}

function theme(wanted) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = wanted ?? remembered() ?? (dark.matches ? "dark" : "light");
  document.documentElement.dataset.theme = chosen;
  if (wanted) remember(wanted);
}

function remembered() {
  try {
    return localStorage.getItem("agentlock-board-theme");
  } catch {
    return null;
  }
}

function remember(chosen) {
  try {
    localStorage.setItem("agentlock-board-theme", chosen);
  } catch {
    // a file that was opened from a disk may keep nothing
  }
}

function turnTheme() {
  theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  draw();
}

function showKeys() {
  const dialog = document.getElementById("detail");
  dialog.replaceChildren(
    h("div", { class: "dialog-head" }, h("h2", { id: "detail-title" }, "Keys"), h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, h("span", { "aria-hidden": "true" }, "✕"))),
    h("dl", { class: "facts" }, KEYS.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])));
  dialog.showModal();
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "Escape" && typing === finding) {
    finding.value = "";
    finding.blur();
    later();
  }
  if (typing || document.getElementById("detail").open) return;
  if (event.key === "/") {
    event.preventDefault();
    finding.focus();
  } else if (event.key === "?") showKeys();
  else if (event.key === "t") turnTheme();
  else if (VIEWS[Number(event.key) - 1]) location.hash = VIEWS[Number(event.key) - 1].id;
}

keep(document.getElementById("views"), VIEWS, (each) => each.id, (each) => h("a", { href: `#${each.id}` }, each.name));
theme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { theme(); draw(); });
document.getElementById("theme").addEventListener("click", turnTheme);
document.getElementById("keys").addEventListener("click", showKeys);
finding.addEventListener("input", later);
addEventListener("keydown", pressed);
addEventListener("hashchange", () => show(location.hash.slice(1)));
onChange(later);
setInterval(() => tick(document, now()), 1000);
show(location.hash.slice(1));
connect((state, text) => {
  const line = document.getElementById("line");
  if (line.dataset.state === state) return;
  line.dataset.state = state;
  line.textContent = text;
});
if (isSaved) draw();
