/* What the form knows, without any element: which values are the reader's, what was sent,
   what came back, and whether the form may be submitted. */

/** Where a value comes from. "server" is the only one that a response may replace. */
export const SOURCES = { server: "", user: "", preset: "from the preset", url: "from the link", last: "from your last workspace" };

const RESENDS = 5;

function sameInputs(one, other) {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

/** The text that a response gives a parameter; what it calls invalid means nothing. */
export function serverValue(parameter) {
  return parameter.value?.valid ? parameter.value.value : "";
}

export class FormState {
  constructor(prefill = {}) {
    /** name → {value, source, touched}; a name stays here when its parameter vanishes. */
    this.fields = new Map();
    this.parameters = [];
    this.diagnostics = [];
    this.nextId = 1;
    this.sentId = 0;
    this.sentInputs = {};
    this.answeredId = 0;
    this.seenId = -2;
    this.shown = false;
    this.connected = false;
    this.tried = false;
    this.automatic = 0;
    for (const [name, { value, source }] of Object.entries(prefill)) {
      this.fields.set(name, { value, source, touched: true });
    }
  }

  get prefilled() { return [...this.fields.values()].some((field) => field.source !== "server"); }

  get outstanding() { return this.sentId > this.answeredId; }

  value(name) { return this.fields.get(name)?.value ?? ""; }

  source(name) { return this.fields.get(name)?.source ?? "server"; }

  touched(name) { return this.fields.get(name)?.touched ?? false; }

  /** The whole state as a request carries it: own values of parameters that exist, and of
      prefilled ones that may still appear. Untouched ones are left to their defaults. */
  inputs() {
    const known = new Set(this.parameters.map((parameter) => parameter.name));
    const inputs = {};
    for (const [name, field] of this.fields) {
      if (field.source === "server") continue;
      if (known.has(name) || field.source !== "user" || !this.shown) inputs[name] = field.value;
    }
    return inputs;
  }

  /** Every value that is shown, for the request that creates the workspace. */
  values() {
    const values = {};
    for (const parameter of this.parameters) {
      const field = this.fields.get(parameter.name);
      if (!field) continue;
      if (field.source !== "server" || parameter.value?.valid) values[parameter.name] = field.value;
    }
    return values;
  }

  /** The reader changed a field. An emptied field is an empty text, not an absent one. */
  edit(name, value) {
    this.fields.set(name, { value, source: "user", touched: true });
    this.automatic = 0;
  }

  /** The reader left a field: its errors may show from now on. */
  touch(name) {
    const field = this.fields.get(name);
    if (field) field.touched = true;
  }

  /** Values of a preset; those of the one before go back to the server, the reader's own stay. */
  applyPreset(values) {
    for (const [name, field] of this.fields) {
      if (field.source === "preset" && !(name in values)) this.fields.set(name, { value: field.value, source: "server", touched: false });
    }
    for (const [name, value] of Object.entries(values)) {
      this.fields.set(name, { value, source: "preset", touched: true });
    }
    this.automatic = 0;
  }

  /** Number a request. */
  request(ownerId) {
    this.sentId = this.nextId;
    this.nextId += 1;
    this.sentInputs = this.inputs();
    const message = { id: this.sentId, inputs: this.sentInputs };
    if (ownerId) message.owner_id = ownerId;
    return message;
  }

  /** A new connection starts over with id -1 and empty inputs. */
  reconnected() {
    this.connected = true;
    this.seenId = -2;
    this.answeredId = this.sentId;
  }

  /** Take a response. Returns "ignored" | "shown" | "resend": the last asks for one more request. */
  receive(message) {
    if (message.id < this.seenId) return "ignored";
    this.seenId = message.id;
    if (this.nextId <= message.id) this.nextId = message.id + 1;
    const first = message.id === -1;
    if (first && (this.prefilled || this.shown)) return "resend";
    if (!first && message.id < this.sentId) return "ignored";
    if (!first) this.answeredId = Math.max(this.sentId, this.answeredId);
    this.shown = true;
    this.parameters = message.parameters ?? [];
    this.diagnostics = message.diagnostics ?? [];
    for (const parameter of this.parameters) {
      const field = this.fields.get(parameter.name);
      if (!field || field.source === "server") {
        this.fields.set(parameter.name, { value: serverValue(parameter), source: "server", touched: field?.touched ?? false });
      }
    }
    // A field that came back still holds what was typed before it vanished: tell the server.
    if (!first && !sameInputs(this.inputs(), this.sentInputs) && this.automatic < RESENDS) {
      this.automatic += 1;
      return "resend";
    }
    return "shown";
  }

  /** Errors of one parameter that may be shown now. */
  visibleDiagnostics(parameter) {
    const all = parameter.diagnostics ?? [];
    if (this.tried || this.touched(parameter.name)) return all;
    return all.filter((diagnostic) => diagnostic.severity !== "error");
  }

  get errors() {
    const of = (list) => list.filter((diagnostic) => diagnostic.severity === "error").length;
    return of(this.diagnostics) + this.parameters.reduce((sum, parameter) => sum + of(parameter.diagnostics ?? []) + (parameter.form_type === "error" ? 1 : 0), 0);
  }

  /** Why the form cannot be sent now, or "". */
  get blocked() {
    if (!this.connected) return "The connection to the server is lost. It is being made again.";
    if (!this.shown || this.outstanding) return "The values are being checked.";
    if (this.errors) return this.errors === 1 ? "One value needs a correction." : `${this.errors} values need a correction.`;
    return "";
  }
}
