/* <log-viewer>: lines come from the server as list items with data-id; the highest id seen
   is where the next fetch resumes, so a lost connection never loses or repeats a line.
   Following stops when the reader scrolls up and starts again at the end. */

const POLL = 3000;
const NEAR_END = 24;

class LogViewer extends HTMLElement {
  connectedCallback() {
    this.scroller = this.querySelector(".log-scroll");
    this.lines = this.querySelector(".log-lines");
    this.followButton = this.querySelector("[data-log-follow]");
    this.status = this.querySelector("[data-log-status]");
    this.count = this.querySelector("[data-log-count]");
    this.box = this.querySelector(".log");
    this.done = this.dataset.done === "true";
    this.following = !this.done;
    this.hits = [];
    this.hit = -1;
    this.bind();
    this.showFollow();
    if (this.following) this.toEnd();
    if (!this.done) {
      this.fetchMore();
      this.timer = setInterval(() => {
        if (document.documentElement.dataset.connection !== "on") this.fetchMore();
      }, POLL);
    }
    this.report();
  }

  disconnectedCallback() { clearInterval(this.timer); }

  bind() {
    // The topic of a log is on this element; "end_of_logs" and "status" are reasons to look too.
    this.addEventListener("live:refresh", () => this.fetchMore());
    this.followButton?.addEventListener("click", () => this.follow(!this.following));
    let last = this.scroller.scrollTop;
    this.scroller.addEventListener("scroll", () => {
      const { scrollTop, scrollHeight, clientHeight } = this.scroller;
      const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
      if (scrollTop < last && !atEnd && this.following) this.follow(false);
      else if (atEnd && !this.following && !this.done && scrollTop > last) this.follow(true);
      last = scrollTop;
    }, { passive: true });
    this.querySelector("[data-log-end]")?.addEventListener("click", () => { this.toEnd(); if (!this.done) this.follow(true); });
    for (const [name, key] of [["times", "times"], ["wrap", "wrap"]]) {
      this.querySelector(`[data-log-${name}]`)?.addEventListener("click", (event) => {
        const off = this.box.dataset[key] !== "off";
        this.box.dataset[key] = off ? "off" : "on";
        event.currentTarget.setAttribute("aria-pressed", String(!off));
      });
    }
    const search = this.querySelector("[data-log-search]");
    search?.addEventListener("input", () => this.search(search.value));
    search?.addEventListener("keydown", (event) => {
      if (event.key === "Enter") { event.preventDefault(); this.step(event.shiftKey ? -1 : 1); }
    });
  }

  follow(on) {
    this.following = on;
    this.showFollow();
    if (on) this.toEnd();
  }

  showFollow() {
    this.followButton?.setAttribute("aria-pressed", String(this.following));
    if (this.followButton) this.followButton.hidden = this.done;
  }

  toEnd() { this.scroller.scrollTop = this.scroller.scrollHeight; }

  lastId() { return this.lines.lastElementChild?.dataset.id ?? this.dataset.after ?? "0"; }

  async fetchMore() {
    if (this.done) return;
    if (this.fetching) { this.again = true; return; }
    this.fetching = true;
    try {
      let more = true;
      while (more && this.isConnected) {
        const url = new URL(this.dataset.url, location.href);
        url.searchParams.set("after", this.lastId());
        const answer = await fetch(url, { headers: { "HX-Request": "true" }, credentials: "same-origin" });
        if (!answer.ok) throw new Error(String(answer.status));
        this.append(await answer.text());
        more = answer.headers.get("X-Log-More") === "true";
        if (!more && answer.headers.get("X-Log-Done") === "true") this.finish();
      }
      this.box.dataset.state = "ok";
    } catch {
      this.box.dataset.state = "lost";
    } finally {
      this.fetching = false;
    }
    this.report();
    if (this.again) { this.again = false; this.fetchMore(); }
  }

  append(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const last = BigInt(this.lastId());
    const fresh = [...template.content.children].filter((line) => BigInt(line.dataset.id) > last);
    if (!fresh.length) return;
    this.querySelector(".log-empty")?.remove();
    const stage = this.lines.lastElementChild?.dataset.stage;
    if (stage !== undefined && fresh[0].dataset.stage === stage) fresh[0].querySelector(".stage")?.remove();
    this.lines.append(...fresh);
    const search = this.querySelector("[data-log-search]");
    if (search?.value) this.search(search.value, false);
    if (this.following) this.toEnd();
  }

  finish() {
    this.done = true;
    this.dataset.done = "true";
    clearInterval(this.timer);
    this.showFollow();
  }

  report() {
    if (this.count) {
      const total = (this.lines.start - 1) + this.lines.children.length;
      this.count.textContent = `${total} ${total === 1 ? "line" : "lines"}`;
    }
    if (!this.status) return;
    const text = this.done ? "Complete" : this.box.dataset.state === "lost" ? "Reconnecting…" : "Live";
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  search(text, jump = true) {
    const needle = text.trim().toLowerCase();
    this.hits = [];
    for (const line of this.lines.children) {
      const hit = needle !== "" && line.textContent.toLowerCase().includes(needle);
      line.classList.toggle("is-hit", hit);
      line.classList.remove("is-current");
      if (hit) this.hits.push(line);
    }
    this.hit = -1;
    const place = this.querySelector("[data-log-hits]");
    if (place) place.textContent = needle ? `${this.hits.length} found` : "";
    if (jump && this.hits.length) this.step(1);
  }

  step(by) {
    if (!this.hits.length) return;
    this.hits[this.hit]?.classList.remove("is-current");
    this.hit = (this.hit + by + this.hits.length) % this.hits.length;
    const line = this.hits[this.hit];
    line.classList.add("is-current");
    if (this.following) this.follow(false);
    line.scrollIntoView({ block: "center" });
    const place = this.querySelector("[data-log-hits]");
    if (place) place.textContent = `${this.hit + 1} of ${this.hits.length}`;
  }
}

customElements.define("log-viewer", LogViewer);
