/* htmx speaks to our server only, carries the CSRF token and reports failures as toasts. */
import { readCookie } from "./preferences.js";
import { toast } from "./toasts.js";

const SAFE = new Set(["get", "head", "options"]);

document.addEventListener("htmx:configRequest", (event) => {
  if (!SAFE.has(event.detail.verb)) {
    const field = document.querySelector("input[name=csrfmiddlewaretoken]");
    event.detail.headers["X-CSRFToken"] = field?.value ?? readCookie("csrftoken");
  }
});

document.addEventListener("htmx:responseError", (event) => {
  const { xhr, elt } = event.detail;
  if (xhr.status === 401 || xhr.status === 403) {
    if (elt.matches("[data-live]")) return;
    toast("You may not do this any more. Reload the page to see what has changed.", "bad");
  } else if (xhr.status === 404 && elt.matches("[data-live]")) {
    elt.removeAttribute("data-live");
    toast("What this page shows was deleted.", "warn");
  } else if (!elt.matches("[data-live]")) {
    toast(`The server answered ${xhr.status}. Nothing was changed; try again.`, "bad");
  }
});

document.addEventListener("htmx:sendError", (event) => {
  if (!event.detail.elt.matches("[data-live]")) toast("The server cannot be reached. Try again in a moment.", "bad");
});
