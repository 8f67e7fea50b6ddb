/* <parameter-form>: a form whose parameters the server evaluates while it is filled in.
   It serves the create page, a workspace's settings and the preview of a template version. */

import { element, keepingFocus, arrange } from "./elements.js";
import { ParameterField } from "./fields.js";
import { FormSocket } from "./socket.js";
import { FormState } from "./state.js";
import { adopt } from "./takeover.js";

const TYPING = 300;

function data(id) {
  const node = document.getElementById(id);
  return node ? JSON.parse(node.textContent) : {};
}

class ParameterForm extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.area = this.querySelector("[data-parameters]");
    this.ephemeral = this.querySelector("[data-ephemeral]");
    this.top = this.querySelector("[data-form-diagnostics]");
    this.status = this.querySelector("[data-form-status]");
    this.button = this.querySelector("[data-create]");
    this.presets = data("preset-values");
    this.state = new FormState(data("prefill"), { stored: data("stored"), refused: data("refused") });
    this.fields = new Map();
    this.form.noValidate = true;
    this.preset = this.chosenPreset();
    for (const part of this.querySelectorAll("[data-no-js]")) part.remove();
    this.bind();
    this.socket = new FormSocket(this.dataset.url, {
      opened: () => { this.state.reconnected(); this.draw(); },
      message: (message) => this.receive(message),
      lost: () => { this.state.connected = false; this.draw(); },
    });
    this.draw();
  }

  disconnectedCallback() { this.socket?.close(); }

  bind() {
    this.form.addEventListener("submit", (event) => this.submit(event));
    this.form.addEventListener("change", (event) => {
      if (event.target.name === "preset") this.choosePreset();
      if (event.target.name === "owner") { this.send(); this.draw(); }
    });
  }

  submit(event) {
    this.state.tried = true;
    if (this.timer) this.flush();
    if (!this.button || this.state.blocked) {
      event.preventDefault();
      this.draw();
      this.fields.get(this.state.parameters.find((parameter) => this.fields.get(parameter.name)?.root.hasAttribute("data-wrong"))?.name)?.focus();
      return;
    }
    this.form.elements.namedItem("inputs").value = JSON.stringify(this.state.values());
    this.form.elements.namedItem("edited").value = JSON.stringify(this.state.edited());
  }

  chosenPreset() { return this.form.querySelector("input[name=preset]:checked")?.value ?? ""; }

  choosePreset() {
    this.preset = this.chosenPreset();
    this.left_preset = "";
    this.state.applyPreset(this.presets[this.preset] ?? {});
    this.send();
    this.draw();
  }

  /** A preset holds as a whole: who changes one of its values has their own set of values. */
  leavePreset(name) {
    const none = this.form.querySelector("input[name=preset][value='']");
    const left = this.form.querySelector("input[name=preset]:checked");
    if (!this.preset || !none) return;
    const words = left.closest("label").querySelector("[data-preset-name]")?.textContent ?? "";
    none.checked = true;
    this.preset = "";
    this.left_preset = `The preset ${words} is not used any more, because ${name} was changed.`;
  }

  get owner() {
    const owner = this.form.elements.namedItem("owner");
    return owner && owner.tagName === "SELECT" ? owner.value : "";
  }

  changed(name, value, how) {
    if (this.state.source(name) === "preset" && value !== this.state.value(name)) this.leavePreset(name);
    this.state.edit(name, value);
    clearTimeout(this.timer);
    if (how === "typing") this.timer = setTimeout(() => this.flush(), TYPING);
    else this.flush();
    this.draw();
  }

  left(name) {
    this.state.touch(name);
    if (this.timer) this.flush();
    this.draw();
  }

  flush() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.send();
    this.draw();
  }

  send() {
    if (this.state.connected) this.socket.send(this.state.request(this.owner));
  }

  receive(message) {
    const begun = !this.taken && message.id === -1 && this.takeOver();
    let result = this.state.receive(message);
    // The page may have chosen another owner, or somebody typed, before there was a connection.
    if (result === "shown" && message.id === -1 && (begun || (this.owner && this.owner !== this.dataset.owner))) result = "resend";
    if (result === "resend") this.send();
    if (result !== "ignored") this.draw();
  }

  /** What was typed into the fields that came with the page. */
  takeOver() {
    const changes = adopt(this.form);
    for (const [name, value] of changes) this.state.edit(name, value);
    return changes.size > 0;
  }

  draw() {
    const { state } = this;
    if (state.shown) keepingFocus(() => this.drawFields());
    const blocked = this.timer ? "The values are being checked." : state.blocked;
    this.button?.setAttribute("aria-disabled", String(blocked !== ""));
    const text = [blocked || "All values are accepted.", this.left_preset].filter(Boolean).join(" ");
    if (this.status.textContent !== text) this.status.textContent = text;
    this.dataset.state = state.connected ? (!state.shown || state.outstanding || this.timer ? "checking" : "ready") : "lost";
    this.drawProblems();
    if (this.hasAttribute("data-share") && state.shown) this.share();
  }

  drawProblems() {
    const problems = this.state.diagnostics.map((diagnostic) => [diagnostic.severity, [diagnostic.summary, diagnostic.detail].filter(Boolean).join(": ")]);
    const signature = JSON.stringify(problems);
    if (signature === this.signature || !this.state.shown) return;
    this.signature = signature;
    this.top.replaceChildren(...problems.map(([severity, words]) => element(
      "div", { class: `callout tone-${severity === "error" ? "bad" : "warn"}` }, element("span"), element("div", { class: "callout-body" }, words),
    )));
  }

  drawFields() {
    const { parameters } = this.state;
    const focused = this.taken ? "" : document.activeElement?.closest("[data-parameter]")?.dataset.parameter;
    const names = new Set(parameters.map((parameter) => parameter.name));
    for (const name of [...this.fields.keys()]) if (!names.has(name)) this.fields.delete(name);
    const drawn = parameters.map((parameter) => {
      let field = this.fields.get(parameter.name);
      if (!field) {
        field = new ParameterField(parameter, { onChange: (...change) => this.changed(...change), onLeave: (name) => this.left(name) });
        this.fields.set(parameter.name, field);
      }
      field.update(parameter, this.state);
      return [parameter.ephemeral, field.root];
    });
    const roots = (ephemeral) => drawn.filter(([kind]) => Boolean(kind) === ephemeral).map(([, root]) => root);
    arrange(this.area, roots(false));
    arrange(this.ephemeral.querySelector("[data-fields]"), roots(true));
    this.ephemeral.toggleAttribute("hidden", !parameters.some((parameter) => parameter.ephemeral));
    this.querySelector("[data-no-parameters]")?.toggleAttribute("hidden", parameters.length > 0);
    if (focused) this.fields.get(focused)?.focus();
    this.taken = true;
  }

  /** The address of a preview holds what was chosen in it. */
  share() {
    const query = new URLSearchParams();
    if (this.preset || this.querySelector("input[name=preset]")) query.set("preset", this.preset);
    if (this.owner && this.owner !== this.dataset.viewer) query.set("owner", this.owner);
    for (const name of this.state.edited()) if (this.state.source(name) !== "preset") query.set(`param.${name}`, this.state.value(name));
    const address = `${location.pathname}?${query}`;
    if (address !== this.address) history.replaceState(history.state, "", address);
    this.address = address;
  }
}

customElements.define("parameter-form", ParameterForm);
