/* <time data-relative datetime=…> is drawn exact by the server; here it becomes relative
   and stays so. The exact value is in its title. */

const STEPS = [[60, "second", 1], [3600, "minute", 60], [86400, "hour", 3600], [2592000, "day", 86400], [31536000, "month", 2592000], [Infinity, "year", 31536000]];
const format = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "narrow" });

export function relative(seconds) {
  if (Math.abs(seconds) < 5) return "now";
  const [, unit, size] = STEPS.find(([limit]) => Math.abs(seconds) < limit);
  return format.format(Math.trunc(seconds / size), unit);
}

function draw(time) {
  const text = relative((Date.parse(time.dateTime) - Date.now()) / 1000);
  if (time.textContent !== text) time.textContent = text;
}

function drawAll(root = document) {
  for (const time of root.querySelectorAll("time[data-relative]")) draw(time);
}

drawAll();
setInterval(drawAll, 5000);
document.addEventListener("content:new", () => drawAll());
document.addEventListener("htmx:afterSwap", () => drawAll());
