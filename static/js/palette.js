/* Search or jump: Ctrl K (or /) opens it, results come from the server as links. */
import { openDialog } from "./overlays.js";

const dialog = document.getElementById("palette");
const input = dialog?.querySelector("input");
const results = dialog?.querySelector(".palette-results");

function items() { return [...results.querySelectorAll("a")]; }

function select(link) {
  for (const one of items()) one.setAttribute("aria-selected", String(one === link));
  input.setAttribute("aria-activedescendant", link?.id ?? "");
  link?.scrollIntoView({ block: "nearest" });
}

function selected() { return items().find((link) => link.getAttribute("aria-selected") === "true"); }

if (dialog) {
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches?.("input, textarea, select, [contenteditable]");
    if ((event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey)) {
      event.preventDefault();
      openDialog(dialog);
      input.select();
    }
  });
  input.addEventListener("keydown", (event) => {
    const list = items();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      select(list[(list.indexOf(selected()) + step + list.length) % list.length]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      (selected() ?? list[0])?.click();
    }
  });
  results.addEventListener("htmx:afterSwap", () => select(items()[0]));
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-palette-open]")) { event.preventDefault(); openDialog(dialog); input.focus(); }
  });
}
