/* <time data-relative datetime=…> is drawn exact by the server; here it becomes relative
   and stays so, in the server's words (relative_text). The exact value is in its title. */

const STEPS = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [Infinity, 86400, "d"]];

function relative(seconds) {
  const length = Math.abs(seconds);
  if (length < 5) return "now";
  const [, size, unit] = STEPS.find(([limit]) => length < limit);
  const text = `${Math.trunc(length / size)} ${unit}`;
  return seconds < 0 ? `${text} ago` : `in ${text}`;
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
