/* One element per parameter. The markup is that of templates/components/parameter.html, which
   serves browsers without JavaScript. A control is made anew only when its form type changes;
   everything else is changed in place, so that focus, caret and typing survive every response. */

import { CONTROLS } from "./controls.js";
import { element, icon, plain, setAttribute, setText } from "./elements.js";
import { SOURCES } from "./state.js";

const FOR_AUTHORS = "Invalid parameter value according to";

let counter = 0;

function marksOf(parameter) {
  return [
    parameter.required && "required",
    parameter.fixed ? "fixed at creation" : !parameter.mutable && "cannot be changed later",
    parameter.ephemeral && "for this start only",
  ].filter(Boolean);
}

/** A diagnostic for the reader, as coder_admin/dashboard/parameter_form.py says it. */
function wordsOf({ summary, detail, extra }) {
  if (extra?.code === "required") return "A value is required.";
  if (detail && summary.startsWith(FOR_AUTHORS)) return detail[0].toUpperCase() + detail.slice(1);
  return [summary, detail].filter(Boolean).join(": ");
}

function problem(diagnostic) {
  const words = wordsOf(diagnostic);
  return diagnostic.severity === "error"
    ? element("p", { class: "field-error" }, icon("error"), element("span", {}, words))
    : element("p", { class: "field-warning" }, words);
}

export class ParameterField {
  constructor(parameter, { onChange, onLeave }) {
    this.name = parameter.name;
    counter += 1;
    this.id = `live-parameter-${counter}`;
    this.changed = (value, how) => onChange(this.name, value, how);
    this.source = element("span", { class: "field-source" });
    this.hint = element("p", { class: "field-hint", id: `${this.id}-hint` });
    this.problems = element("div", { id: `${this.id}-problems`, class: "stack-tight" });
    this.root = element("div", { class: "field", "data-parameter": this.name });
    this.root.addEventListener("focusout", (event) => { if (!this.root.contains(event.relatedTarget)) onLeave(this.name); });
  }

  /** Label, description and control of a form type that the field does not have yet. */
  build(formType) {
    const hadFocus = this.root.contains(document.activeElement);
    this.formType = formType;
    this.control = CONTROLS[formType]?.(this.id, this.changed) ?? null;
    const named = this.control && !this.control.group;
    this.heading = element(named ? "label" : "span", { class: "field-label", id: `${this.id}-label`, for: named ? this.id : null });
    this.headingText = "";
    if (this.control?.group) this.control.target.setAttribute("aria-labelledby", `${this.id}-label`);
    this.root.replaceChildren(this.heading, this.hint, ...(this.control ? [this.control.root] : []), this.problems);
    if (hadFocus) this.focus();
  }

  focus() {
    const target = this.control?.target;
    (this.control?.group ? target.querySelector("input:checked, input") : target)?.focus();
  }

  update(parameter, state) {
    if (this.formType !== parameter.form_type) this.build(parameter.form_type);
    this.describe(parameter, state.source(this.name));
    const target = this.control?.target;
    this.control?.morph(parameter);
    // While the reader types, the element itself is the truth.
    const typing = document.activeElement === target && state.source(this.name) === "user";
    if (!typing) this.control?.write(state.value(this.name));
    this.judge(state.visibleDiagnostics(parameter));
  }

  describe(parameter, source) {
    const label = parameter.display_name || parameter.name;
    const marks = marksOf(parameter);
    const text = JSON.stringify([label, marks]);
    if (text !== this.headingText) {
      this.headingText = text;
      this.heading.replaceChildren(label, ...marks.map((mark) => element("span", { class: "field-mark" }, mark)), this.source);
    }
    setText(this.source, SOURCES[source] ?? "");
    setText(this.hint, plain(parameter.description ?? ""));
    setAttribute(this.hint, "hidden", !parameter.description);
    const described = [parameter.description ? this.hint.id : "", this.problems.id].filter(Boolean).join(" ");
    if (this.control) setAttribute(this.control.target, "aria-describedby", described);
  }

  judge(diagnostics) {
    const wrong = diagnostics.some((diagnostic) => diagnostic.severity === "error");
    setAttribute(this.root, "data-wrong", wrong);
    if (this.control) setAttribute(this.control.target, "aria-invalid", wrong ? "true" : null);
    const text = JSON.stringify(diagnostics);
    if (text === this.problemText) return;
    this.problemText = text;
    this.problems.replaceChildren(...diagnostics.map(problem));
  }
}
