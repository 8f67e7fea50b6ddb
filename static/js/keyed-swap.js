/* htmx swap "keyed": children with an id are compared one by one. An unchanged child is
   left alone, a changed one gets its new content in place and a soft tint. Nothing moves
   under the pointer: while the list is hovered or focused, new children wait at the end
   and the old order stays; order is restored by the first swap after that. */

function busy(element) {
  return element.matches(":hover") || element.contains(document.activeElement);
}

function hasOpenOverlay(element) {
  return element.querySelector(":popover-open, dialog[open]") !== null;
}


const TRANSIENT = ["is-changed", "htmx-request", "htmx-settling", "htmx-swapping", "htmx-added"];

function clean(element) {
  const copy = element.cloneNode(true);
  for (const part of [copy, ...copy.querySelectorAll("*")]) {
    part.classList.remove(...TRANSIENT);
    if (part.getAttribute("class") === "") part.removeAttribute("class");
  }
  for (const time of copy.querySelectorAll("time[data-relative]")) time.textContent = "";
  for (const token of copy.querySelectorAll("input[name=csrfmiddlewaretoken]")) token.removeAttribute("value");
  for (const dialog of copy.querySelectorAll("dialog")) { dialog.removeAttribute("popover"); dialog.removeAttribute("open"); }
  for (const menu of copy.querySelectorAll("[data-placed]")) { menu.removeAttribute("data-placed"); menu.removeAttribute("style"); }
  return copy;
}

function update(old, fresh, made) {
  // A log keeps itself up to date; replacing it would lose its place.
  if (old.hasAttribute("data-stay")) return;
  if (clean(old).isEqualNode(clean(fresh))) return;
  if (hasOpenOverlay(old) || (old.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"))) {
    return;
  }
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceWith(fresh);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  tint(fresh);
  made.push(fresh);
}

export function tint(element) {
  element.classList.add("is-changed");
  element.addEventListener("animationend", () => element.classList.remove("is-changed"), { once: true });
  setTimeout(() => element.classList.remove("is-changed"), 1200);
}

/** Bring the children of `target` in line with those of `fresh`; returns the new elements. */
export function mergeKeyed(target, fresh) {
  const made = [];
  const wanted = [...fresh.children];
  if (wanted.length === 0 || wanted.some((child) => !child.id)) {
    const box = document.createElement("div");
    box.append(...fresh.childNodes);
    if (clean(target).innerHTML.trim() !== clean(box).innerHTML.trim() && !hasOpenOverlay(target)) {
      target.replaceChildren(...box.childNodes);
      tint(target);
      made.push(target);
    }
    return made;
  }
  const hold = busy(target);
  const ids = new Set(wanted.map((child) => child.id));
  for (const old of [...target.children]) {
    if (!ids.has(old.id) && !hasOpenOverlay(old)) old.remove();
  }
  const current = new Map([...target.children].map((child) => [child.id, child]));
  wanted.forEach((child, index) => {
    const old = current.get(child.id);
    if (old) {
      if (!hold && target.children[index] !== old) target.insertBefore(old, target.children[index] ?? null);
      update(old, child, made);
    } else {
      target.insertBefore(child, hold ? null : target.children[index] ?? null);
      tint(child);
      made.push(child);
    }
  });
  return made;
}

function sameLists(target, keyed) {
  const old = [...target.querySelectorAll("[data-keyed]")].map((list) => list.id);
  return old.join(" ") === keyed.map((list) => list.id).join(" ");
}

// Whatever the swap: an open menu or dialog is not taken away from its reader.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.matches("[data-live]") && event.detail.elt === event.detail.target && hasOpenOverlay(event.detail.target)
    && event.detail.target.getAttribute("hx-swap") !== "keyed") event.detail.shouldSwap = false;
});

window.htmx?.defineExtension("keyed", {
  isInlineSwap: (style) => style === "keyed",
  handleSwap(style, target, fragment) {
    if (style !== "keyed") return false;
    const root = fragment.firstElementChild ?? fragment;
    const single = root.id && root.id === target.id;
    const made = [];
    const keyed = single ? [...root.querySelectorAll("[data-keyed]")] : [];
    if (single && !sameLists(target, keyed)) {
      // The first row of an empty list, or the last one gone: the frame itself is another.
      target.replaceChildren(...root.childNodes);
      made.push(target);
    } else if (single && keyed.length) {
      for (const list of keyed) {
        const old = document.getElementById(list.id);
        if (old) made.push(...mergeKeyed(old, list));
      }
    } else {
      made.push(...mergeKeyed(target, single ? root : fragment));
    }
    document.dispatchEvent(new CustomEvent("content:new", { detail: made }));
    return made;
  },
});

