/* One websocket per page. Elements say what they show with data-live="topic topic…";
   a message about a topic makes them fetch their partial again (htmx trigger "live").
   The message carries no content: what may be seen is decided by the fetch. Without a
   connection the same elements are polled, and after each reconnect fetched once. */

const POLL = 5000;
const BACKOFF = { first: 500, most: 15000 };
const GATHER = 150;
const STATES = { on: "Live", waiting: "Reconnecting…", off: "Refreshing every 5 s" };

class Live {
  constructor(url) {
    this.url = url;
    this.delay = BACKOFF.first;
    this.sent = new Set();
    this.refused = new Set();
    this.due = new Set();
    this.failures = 0;
    this.everOpen = false;
  }

  topics() {
    const wanted = new Set();
    for (const element of document.querySelectorAll("[data-live]")) {
      for (const topic of element.dataset.live.split(/\s+/)) if (topic) wanted.add(topic);
    }
    return wanted;
  }

  connect() {
    this.socket = new WebSocket(this.url);
    this.socket.addEventListener("open", () => {
      this.sent.clear();
      this.refused.clear();
      this.subscribe();
      this.show("on");
      if (this.everOpen) this.refreshAll();
      this.everOpen = true;
      this.failures = 0;
      this.stable = setTimeout(() => { this.delay = BACKOFF.first; }, 5000);
    });
    this.socket.addEventListener("message", (event) => this.receive(JSON.parse(event.data)));
    this.socket.addEventListener("close", () => this.lost());
  }

  lost() {
    clearTimeout(this.stable);
    this.failures += 1;
    this.show(this.failures > 2 ? "off" : "waiting");
    setTimeout(() => this.connect(), this.delay * (0.75 + Math.random() / 2));
    this.delay = Math.min(this.delay * 2, BACKOFF.most);
  }

  subscribe() {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    const wanted = this.topics();
    const more = [...wanted].filter((topic) => !this.sent.has(topic) && !this.refused.has(topic));
    const gone = [...this.sent].filter((topic) => !wanted.has(topic));
    if (more.length) this.socket.send(JSON.stringify({ type: "subscribe", topics: more }));
    if (gone.length) this.socket.send(JSON.stringify({ type: "unsubscribe", topics: gone }));
    for (const topic of more) this.sent.add(topic);
    for (const topic of gone) this.sent.delete(topic);
  }

  receive(message) {
    if (message.type === "refused") {
      for (const topic of message.topics) { this.sent.delete(topic); this.refused.add(topic); }
    } else if (message.type === "event") {
      this.mark(message.topic, message);
    } else if (message.type === "subscribed") {
      // What happened between drawing the page and subscribing was missed: look once.
      for (const topic of message.topics) this.mark(topic, { type: "subscribed", topic });
    }
  }

  mark(topic, message) {
    for (const element of document.querySelectorAll(`[data-live~="${CSS.escape(topic)}"]`)) {
      element.dispatchEvent(new CustomEvent("live:event", { detail: message }));
      this.due.add(element);
    }
    // Events come in bursts (a build and its agent): gather them into one fetch.
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      const due = [...this.due];
      this.due.clear();
      for (const element of due) this.refresh(element);
    }, GATHER);
  }

  refresh(element) {
    if (element.isConnected && element.hasAttribute("hx-get")) window.htmx?.trigger(element, "live");
    if (element.isConnected) element.dispatchEvent(new CustomEvent("live:refresh"));
  }

  refreshAll() {
    for (const element of document.querySelectorAll("[data-live]")) this.refresh(element);
  }

  show(state) {
    document.documentElement.dataset.connection = state;
    for (const place of document.querySelectorAll("[data-live-state]")) place.textContent = STATES[state];
  }
}

if (document.querySelector("[data-live]") && document.body.dataset.liveUrl) {
  const url = new URL(document.body.dataset.liveUrl, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const live = new Live(url.href);
  live.connect();
  setInterval(() => {
    if (live.socket.readyState !== WebSocket.OPEN && document.visibilityState === "visible") live.refreshAll();
  }, POLL);
  // A look that failed is made again: no further event may come to ask for it.
  document.addEventListener("htmx:afterRequest", ({ detail: { elt, xhr, successful } }) => {
    const passing = xhr.status === 0 || xhr.status >= 500;
    if (!successful && passing && elt.matches("[data-live]")) setTimeout(() => live.refresh(elt), POLL);
  });
  // A machine that slept, or changed its network, may hold a socket that only seems to be open.
  addEventListener("online", () => live.refreshAll());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") live.refreshAll();
  });
  document.addEventListener("htmx:afterSettle", () => live.subscribe());
  document.addEventListener("content:new", () => live.subscribe());
}
