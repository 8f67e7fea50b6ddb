/* Messages for the reader. The live regions are in the page from the start: a region
   that is added together with its text is not announced. */

const LEAVE_AFTER = 6000;

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${document.body.dataset.sprite}#${name}`);
  svg.append(use);
  return svg;
}

/** Show one message. tone: "ok" | "info" | "warn" | "bad"; bad ones stay until closed. */
export function toast(text, tone = "info") {
  const urgent = tone === "bad";
  const region = document.getElementById(urgent ? "toasts-alert" : "toasts-status");
  if (!region) return;
  const box = document.createElement("div");
  box.className = `toast tone-${tone}`;
  const body = document.createElement("p");
  body.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "button button-quiet button-icon";
  close.setAttribute("aria-label", "Dismiss message");
  close.dataset.dismiss = "";
  close.append(icon("close"));
  box.append(icon({ ok: "check", warn: "warning", bad: "error" }[tone] ?? "info"), body, close);
  region.append(box);
  if (!urgent) leaveLater(box);
}

function leaveLater(box) {
  let timer = setTimeout(() => box.remove(), LEAVE_AFTER);
  const hold = () => clearTimeout(timer);
  const release = () => { timer = setTimeout(() => box.remove(), LEAVE_AFTER); };
  box.addEventListener("pointerenter", hold);
  box.addEventListener("focusin", hold);
  box.addEventListener("pointerleave", release);
  box.addEventListener("focusout", release);
}

document.addEventListener("click", (event) => {
  event.target.closest("[data-dismiss]")?.closest(".toast")?.remove();
});

for (const box of document.querySelectorAll("#toasts-status > .toast")) leaveLater(box);
