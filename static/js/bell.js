/* The bell fetches its list when it opens; a live message about the inbox updates the count. */
const popover = document.getElementById("bell-pop");

popover?.addEventListener("beforetoggle", (event) => {
  if (event.newState === "open") window.htmx?.trigger(popover.querySelector("[hx-get]"), "open");
});
