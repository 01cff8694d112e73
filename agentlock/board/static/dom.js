// Makes elements. Text is only ever set as text, so nothing that an agent wrote becomes markup.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children);
}

export function s(tag, props = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

function filled(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

// Shows these items as the children of an element, in their order. A child is kept while its
// signature stays, so focus, selection and scrolling stay as well.
export function keep(parent, items, key, make) {
  const old = new Map([...parent.children].map((child) => [child.boardKey, child]));
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const mark = focused && { key: keyAround(focused, parent), name: focused.dataset?.focus };
  let place = parent.firstElementChild;
  for (const item of items) {
    const id = String(key(item));
    const signature = JSON.stringify(item);
    let child = old.get(id);
    old.delete(id);
    if (!child || child.boardSignature !== signature) {
      const fresh = make(item);
      fresh.boardKey = id;
      fresh.boardSignature = signature;
      if (child) {
        if (place === child) place = fresh;
        child.replaceWith(fresh);
      }
      child = fresh;
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const child of old.values()) child.remove();
  if (mark && !parent.contains(document.activeElement)) {
    const again = [...parent.children].find((child) => child.boardKey === mark.key);
    const inside = again?.querySelectorAll("button, a, summary, [tabindex]") ?? [];
    ([...inside].find((one) => one.dataset.focus === mark.name) ?? inside[0])?.focus();
  }
}

function keyAround(element, parent) {
  while (element.parentElement !== parent) element = element.parentElement;
  return element.boardKey;
}

export function empty(text) {
  return h("p", { class: "empty" }, text);
}
