/* Buttons with data-copy put their text on the clipboard. */
import { toast } from "./toasts.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy || document.getElementById(button.dataset.copyFrom)?.textContent || "");
    toast("Copied.", "ok");
  } catch {
    toast("The browser did not allow copying. Select the text and copy it by hand.", "bad");
  }
});
