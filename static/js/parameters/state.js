/* What the form knows, without any element: which values are the reader's, what was sent,
   what came back, and whether the form may be submitted. */

/** Where a value comes from. "server" is the only one that a response may replace. */
export const SOURCES = { server: "", user: "", build: "", preset: "from the preset", url: "from the link", last: "from your last workspace" };

const RESENDS = 5;

function sameInputs(one, other) {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

function hasErrors(parameter) {
  return (parameter.diagnostics ?? []).some((diagnostic) => diagnostic.severity === "error");
}

/** The text that a response gives a parameter; what it calls invalid means nothing. */
export function serverValue(parameter) {
  return parameter.value?.valid ? parameter.value.value : "";
}

export class FormState {
  /** `stored` are the values of an existing workspace, `refused` what the server said of a submit. */
  constructor(prefill = {}, { stored = {}, refused = {} } = {}) {
    this.stored = stored;
    this.refused = new Map(Object.entries(refused));
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
    this.everConnected = false;
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
    this.refused.delete(name);
    this.automatic = 0;
  }

  /** Names whose values are not simply what the template answered. */
  edited() {
    return this.parameters.map((parameter) => parameter.name).filter((name) => this.source(name) !== "server");
  }

  /** The reader left a field: its errors may show from now on. */
  touch(name) {
    const field = this.fields.get(name);
    if (field) field.touched = true;
  }

  /** Values of a preset. A field that the preset before held gets back what it had. */
  applyPreset(values) {
    for (const [name, field] of this.fields) {
      if (field.source === "preset" && !(name in values)) this.fields.set(name, field.before ?? { value: field.value, source: "server", touched: false });
    }
    for (const [name, value] of Object.entries(values)) {
      const field = this.fields.get(name);
      this.fields.set(name, { value, source: "preset", touched: true, before: field?.source === "preset" ? field.before : field });
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
    this.everConnected = true;
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
    this.parameters = (message.parameters ?? []).map((parameter) => this.asStored(parameter));
    this.diagnostics = message.diagnostics ?? [];
    for (const parameter of this.parameters) {
      const field = this.fields.get(parameter.name);
      // What the last workspace had may be refused by now, or was for that start only: the template's own
      // value is better.
      const outdated = field?.source === "last" && (parameter.ephemeral || hasErrors(parameter));
      if (!field || field.source === "server" || outdated) {
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

  /** On a workspace's settings page a value that is fixed for ever cannot be edited. */
  asStored(parameter) {
    if (parameter.mutable || !(parameter.name in this.stored)) return parameter;
    return { ...parameter, fixed: true, styling: { ...parameter.styling, disabled: true } };
  }

  /** Errors of one parameter that may be shown now. */
  visibleDiagnostics(parameter) {
    const said = this.refused.get(parameter.name);
    const all = [...(parameter.diagnostics ?? [])];
    if (said && !all.some((diagnostic) => said.includes(diagnostic.summary))) all.push({ severity: "error", summary: said, detail: "" });
    if (this.tried || said || this.touched(parameter.name)) return all;
    return all.filter((diagnostic) => diagnostic.severity !== "error");
  }

  get errors() {
    const of = (list) => list.filter((diagnostic) => diagnostic.severity === "error").length;
    return of(this.diagnostics) + this.parameters.reduce((sum, parameter) => sum + of(parameter.diagnostics ?? []) + (parameter.form_type === "error" ? 1 : 0), 0);
  }

  /** Why the form cannot be sent now, or "". */
  get blocked() {
    if (!this.everConnected) return "Connecting to the server.";
    if (!this.connected) return "The connection to the server is lost. It is being made again.";
    if (!this.shown || this.outstanding) return "The values are being checked.";
    if (this.errors) return this.errors === 1 ? "One value needs a correction." : `${this.errors} values need a correction.`;
    return "";
  }
}
