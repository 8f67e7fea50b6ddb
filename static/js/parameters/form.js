/* <parameter-form>: a form whose parameters the server evaluates while it is filled in. */

import { ParameterField } from "./fields.js";
import { FormSocket } from "./socket.js";
import { FormState } from "./state.js";

const TYPING = 300;

function data(id) {
  const node = document.getElementById(id);
  return node ? JSON.parse(node.textContent) : {};
}

class ParameterForm extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.area = this.querySelector("[data-parameters]");
    this.top = this.querySelector("[data-form-diagnostics]");
    this.status = this.querySelector("[data-form-status]");
    this.button = this.querySelector("[data-create]");
    this.hidden_inputs = this.querySelector("input[name=inputs]");
    this.presets = data("preset-values");
    this.state = new FormState(data("prefill"));
    this.fields = new Map();
    this.form.noValidate = true;
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
    this.form.addEventListener("submit", (event) => {
      this.state.tried = true;
      if (this.timer) this.flush();
      if (this.state.blocked) {
        event.preventDefault();
        this.draw();
        this.querySelector("[aria-invalid=true]")?.focus();
        return;
      }
      this.hidden_inputs.value = JSON.stringify(this.state.values());
    });
    const preset = this.form.elements.namedItem("preset");
    const presetChosen = () => {
      const chosen = this.form.querySelector("input[name=preset]:checked, select[name=preset]");
      this.state.applyPreset(this.presets[chosen?.value ?? ""] ?? {});
      this.send();
      this.draw();
    };
    if (preset) this.form.addEventListener("change", (event) => { if (event.target.name === "preset") presetChosen(); });
    this.form.elements.namedItem("owner")?.addEventListener("change", () => { this.send(); this.draw(); });
  }

  get owner() {
    const owner = this.form.elements.namedItem("owner");
    return owner && owner.tagName === "SELECT" ? owner.value : "";
  }

  changed(name, value, how) {
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
    const result = this.state.receive(message);
    if (result === "resend") this.send();
    if (result !== "ignored") this.draw();
  }

  draw() {
    const { state } = this;
    if (state.shown) this.drawFields();
    const blocked = this.timer ? "The values are being checked." : state.blocked;
    this.button.setAttribute("aria-disabled", String(blocked !== ""));
    const text = blocked || "All values are accepted.";
    if (this.status.textContent !== text) this.status.textContent = text;
    this.dataset.state = state.connected ? (state.outstanding || this.timer ? "checking" : "ready") : "lost";
    const problems = state.diagnostics.map((diagnostic) => [diagnostic.severity, [diagnostic.summary, diagnostic.detail].filter(Boolean).join(": ")]);
    const signature = JSON.stringify(problems);
    if (signature !== this.signature) {
      this.signature = signature;
      this.top.replaceChildren(...problems.map(([severity, words]) => {
        const box = document.createElement("div");
        box.className = `callout tone-${severity === "error" ? "bad" : "warn"}`;
        const body = document.createElement("div");
        body.className = "callout-body";
        body.textContent = words;
        box.append(document.createElement("span"), body);
        return box;
      }));
    }
  }

  drawFields() {
    const names = new Set(this.state.parameters.map((parameter) => parameter.name));
    if (!this.taken) { this.area.replaceChildren(); this.taken = true; }
    for (const [name, field] of this.fields) {
      if (!names.has(name)) { field.root.remove(); this.fields.delete(name); }
    }
    this.state.parameters.forEach((parameter, index) => {
      let field = this.fields.get(parameter.name);
      if (!field) {
        field = new ParameterField(parameter, { onChange: (...change) => this.changed(...change), onLeave: (name) => this.left(name) });
        this.fields.set(parameter.name, field);
      }
      if (this.area.children[index] !== field.root) this.area.insertBefore(field.root, this.area.children[index] ?? null);
      field.update(parameter, this.state);
    });
    this.querySelector("[data-no-parameters]")?.toggleAttribute("hidden", this.state.parameters.length > 0);
  }
}

customElements.define("parameter-form", ParameterForm);
