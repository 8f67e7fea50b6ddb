/* Theme and time zone live in cookies, so that the server draws the first paint right. */

const YEAR = 365 * 24 * 3600;

export function setCookie(name, value) {
  const secure = location.protocol === "https:" ? ";secure" : "";
  document.cookie = `${name}=${encodeURIComponent(value)};path=/;max-age=${YEAR};samesite=lax${secure}`;
}

export function readCookie(name) {
  const found = document.cookie.split("; ").find((part) => part.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}

function showTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const item of document.querySelectorAll("[data-theme-choice]")) {
    item.setAttribute("aria-checked", String(item.dataset.themeChoice === theme));
  }
}

document.addEventListener("click", (event) => {
  const choice = event.target.closest("[data-theme-choice]");
  if (!choice) return;
  event.preventDefault();
  setCookie("theme", choice.dataset.themeChoice);
  showTheme(choice.dataset.themeChoice);
  choice.closest("[popover]")?.hidePopover();
});

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && readCookie("timezone") !== zone) setCookie("timezone", zone);
