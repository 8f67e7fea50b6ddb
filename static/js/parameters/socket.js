/* The connection of the form: made again with backoff, its state told to the page. */

const FIRST = 500;
const MOST = 15000;

export class FormSocket {
  constructor(url, { opened, message, lost }) {
    this.url = new URL(url, location.href);
    this.url.protocol = this.url.protocol.replace("http", "ws");
    this.handlers = { opened, message, lost };
    this.delay = FIRST;
    this.closed = false;
    this.online = () => { if (this.waiting) this.again(); };
    window.addEventListener("online", this.online);
    this.connect();
  }

  connect() {
    this.socket = new WebSocket(this.url.href);
    this.socket.addEventListener("open", () => {
      this.stable = setTimeout(() => { this.delay = FIRST; }, 5000);
      this.handlers.opened();
    });
    this.socket.addEventListener("message", (event) => {
      let message;
      try { message = JSON.parse(event.data); } catch { return; }
      if (typeof message.id === "number") this.handlers.message(message);
    });
    this.socket.addEventListener("close", () => {
      clearTimeout(this.stable);
      if (this.closed) return;
      this.handlers.lost();
      this.waiting = setTimeout(() => this.again(), this.delay * (0.75 + Math.random() / 2));
      this.delay = Math.min(this.delay * 2, MOST);
    });
  }

  /** Now instead of later: the time is over, or the network is back. */
  again() {
    clearTimeout(this.waiting);
    this.waiting = undefined;
    this.connect();
  }

  send(message) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  close() {
    this.closed = true;
    clearTimeout(this.waiting);
    window.removeEventListener("online", this.online);
    this.socket.close();
  }
}
