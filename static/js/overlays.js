/* Menus (popover), dialogs and the rail's drawer. All of them open without this file,
   through the popover attribute and :target; here they get their place, focus and modality. */

const GAP = 4;

function place(menu, button) {
  const at = button.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  const left = Math.min(Math.max(8, at.right - size.width), innerWidth - size.width - 8);
  const startAligned = menu.dataset.align === "start" ? Math.min(at.left, innerWidth - size.width - 8) : left;
  const below = at.bottom + GAP + size.height <= innerHeight - 8;
  menu.style.left = `${Math.max(8, startAligned)}px`;
  menu.style.top = `${below ? at.bottom + GAP : Math.max(8, at.top - GAP - size.height)}px`;
  menu.dataset.placed = "";
}

document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!(menu instanceof HTMLElement) || !menu.matches(".menu-pop")) return;
  const button = document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`);
  if (event.newState === "open" && button) {
    place(menu, button);
    menu.querySelector("a, button, input")?.focus({ preventScroll: true });
  }
}, true);

document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.(".menu-pop");
  if (!menu || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
  const items = [...menu.querySelectorAll(".menu-item:not([hidden])")];
  const step = event.key === "ArrowDown" ? 1 : -1;
  const next = items[(items.indexOf(document.activeElement) + step + items.length) % items.length];
  if (next) { event.preventDefault(); next.focus(); }
});

document.addEventListener("scroll", (event) => {
  const open = document.querySelector(".menu-pop:popover-open");
  if (open && !open.contains(event.target)) open.hidePopover();
}, { capture: true, passive: true });

/* A dialog is a popover until this file makes it modal. */
export function openDialog(dialog) {
  dialog.removeAttribute("popover");
  if (!dialog.open) dialog.showModal();
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[popovertarget]");
  if (opener) {
    const target = document.getElementById(opener.getAttribute("popovertarget"));
    if (target instanceof HTMLDialogElement) {
      event.preventDefault();
      const menu = opener.closest(".menu-pop");
      if (opener.getAttribute("popovertargetaction") === "hide") {
        if (target.open) target.close();
      } else {
        menu?.hidePopover();
        openDialog(target);
      }
    }
    return;
  }
  if (event.target instanceof HTMLDialogElement && event.target.open) {
    const box = event.target.getBoundingClientRect();
    const outside = event.clientX < box.left || event.clientX > box.right
      || event.clientY < box.top || event.clientY > box.bottom;
    if (outside) event.target.close();
  }
});

/* The rail below 900 px. */
const rail = document.getElementById("rail");
let opener = null;

function closeRail() {
  if (!rail) return;
  delete rail.dataset.open;
  if (location.hash === "#rail") history.replaceState(null, "", location.pathname + location.search);
  opener?.focus();
  opener = null;
}

document.addEventListener("click", (event) => {
  const open = event.target.closest('a[href="#rail"]');
  if (open && rail) {
    event.preventDefault();
    opener = open;
    rail.dataset.open = "";
    rail.querySelector("a, button")?.focus();
  } else if (event.target.closest(".rail-close, .rail-scrim")) {
    event.preventDefault();
    closeRail();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && rail?.hasAttribute("data-open")) closeRail();
});

/* Forms that change with a choice submit themselves; their button is for everybody else. */
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-autosubmit]");
  if (form && event.target.matches("select, input[type=checkbox], input[type=radio]")) form.requestSubmit();
});

/* A form is sent once. */
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || form.hasAttribute("hx-post")) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "true";
  setTimeout(() => { delete form.dataset.sent; }, 4000);
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
