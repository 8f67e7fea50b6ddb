/* Entry of every page: each module looks for its own elements and needs nothing else. */
import "./preferences.js";
import "./overlays.js";
import "./htmx-setup.js";
import "./keyed-swap.js";
import "./live.js";
import "./relative-time.js";
import "./palette.js";
import "./copy.js";
import "./upload.js";
import "./log-viewer.js";
import "./bell.js";

document.documentElement.classList.remove("no-js");
