// What the board knows: the rows of each section, kept true by the server's stream of changes.

export const sections = {};
const listeners = [];
const saved = document.getElementById("saved");
export const isSaved = saved !== null;
let offset = 0;
let heard = 0;

export function rows(name) {
  return Object.values(sections[name] ?? {});
}

export function one(section, key) {
  return sections[section]?.[key];
}

// The time by the table's clock. In a saved picture it stands still.
export function now() {
  return isSaved ? offset : Date.now() * 1000 + offset;
}

export function onChange(listener) {
  listeners.push(listener);
}

export function applied(patch) {
  if (patch.whole) for (const name of Object.keys(sections)) delete sections[name];
  for (const [name, keys] of Object.entries(patch.gone ?? {})) {
    for (const key of keys) delete sections[name]?.[key];
  }
  const changed = new Set(Object.keys(patch.gone ?? {}));
  for (const [name, found] of Object.entries(patch.set)) {
    changed.add(name);
    sections[name] = Object.assign(sections[name] ?? {}, found);
  }
  offset = isSaved ? patch.now : patch.now - Date.now() * 1000;
  for (const listener of listeners) listener(changed);
}

export function connect(said) {
  if (isSaved) {
    const { picture } = JSON.parse(saved.textContent);
    applied(picture);
    said("saved", "saved picture");
    return;
  }
  let stream = null;
  const open = () => {
    stream?.close();
    stream = new EventSource("/changes");
    heard = Date.now();
    stream.onmessage = (message) => {
      heard = Date.now();
      const patch = JSON.parse(message.data);
      applied(patch);
      said("live", "live");
    };
    stream.onopen = () => {
      heard = Date.now();
      said("live", "live");
    };
    stream.onerror = () => {
      said("lost", "not connected");
      if (stream.readyState === EventSource.CLOSED) setTimeout(open, 3000);
    };
  };
  open();
  // After a sleep of the machine a stream may look open and be dead.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && (stream.readyState !== EventSource.OPEN || Date.now() - heard > 60e3)) open();
  });
  window.addEventListener("online", open);
}

// What the server looks up. A saved picture has only what was saved with it.
export async function ask(path, parameters = {}) {
  if (isSaved) {
    const { answers } = JSON.parse(saved.textContent);
    if (answers[path]) return answers[path];
    throw new Error("a saved picture does not have this");
  }
  const answer = await fetch(`${path}?${new URLSearchParams(parameters)}`);
  return read(answer);
}

export async function send(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return read(answer);
}

async function read(answer) {
  if (answer.ok) return answer.json();
  const text = await answer.text();
  let said = text;
  try {
    const { error } = JSON.parse(text);
    said = error.hint ? `${error.message} (${error.hint})` : error.message;
  } catch {
    // it was a sentence
  }
  throw new Error(said.trim());
}
