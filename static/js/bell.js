/* The bell. Its count is a live part of every page; the list is fetched when the popover opens,
   and again while it is open whenever the inbox changes or the connection comes back. */
const popover = document.getElementById("bell-pop");
const count = document.getElementById("bell-count");

function isOpen() {
  return popover.matches(":popover-open");
}

function look() {
  document.getElementById("bell-failed")?.remove();
  window.htmx?.trigger(popover, "look");
}

if (popover) {
  popover.addEventListener("toggle", (event) => {
    if (event.newState === "open") look();
  });
  // Sent after each event about the inbox and after each reconnect (live.js).
  count?.addEventListener("live:refresh", () => { if (isOpen()) look(); });

  // Down to the oldest that is shown already, so that what was loaded stays.
  const oldest = () => document.getElementById("bell-further")?.dataset.oldest ?? "";
  popover.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.elt !== popover && !event.detail.elt.closest("#bell-head")) return;
    if (oldest()) event.detail.parameters.until = oldest();
  });

  // An answer that was asked for before more was loaded would take that away again: it is dropped, and
  // asked for once more when what is being loaded is there.
  let loading = 0;
  let missed = false;
  const isMore = (element) => element.closest("#bell-further") !== null;
  popover.addEventListener("htmx:beforeRequest", (event) => {
    if (isMore(event.detail.elt)) loading += 1;
  });
  popover.addEventListener("htmx:beforeSwap", (event) => {
    const { requestConfig, target } = event.detail;
    if (target?.id !== "bell-body") return;
    if (!loading && (requestConfig.parameters.until ?? "") === oldest()) return;
    event.detail.shouldSwap = false;
    missed = true;
    lookAgain();
  });
  popover.addEventListener("htmx:afterRequest", (event) => {
    if (!isMore(event.detail.requestConfig.elt)) return;
    loading -= 1;
    lookAgain();
  });
  const lookAgain = () => {
    if (loading || !missed) return;
    missed = false;
    look();
  };

  // The first answer replaces what was focused when the popover opened.
  popover.addEventListener("htmx:afterSwap", () => {
    if (isOpen() && (document.activeElement === document.body || document.activeElement === null)) {
      popover.querySelector("button:not([disabled]), a")?.focus({ preventScroll: true });
    }
  });

  // A list that cannot be fetched says so in its place, with a way to try again.
  const failed = (event) => {
    if (event.detail.elt !== popover) return;
    event.stopPropagation();
    if (document.getElementById("bell-failed")) return;
    const notice = document.getElementById("bell-error").content.cloneNode(true);
    const body = document.getElementById("bell-body");
    if (body.querySelector(".inbox-item")) body.before(notice);
    else body.replaceChildren(notice);
  };
  popover.addEventListener("htmx:responseError", failed);
  popover.addEventListener("htmx:sendError", failed);
  popover.addEventListener("click", (event) => {
    if (event.target.closest("#bell-retry")) look();
  });
}

/* The inbox page: one box that chooses all of the page. */
document.addEventListener("change", (event) => {
  const all = event.target.closest("[data-choose-all]");
  if (!all) return;
  for (const box of document.querySelectorAll(`input[form="${CSS.escape(all.dataset.chooseAll)}"][name=ids]`)) {
    box.checked = all.checked;
  }
});
