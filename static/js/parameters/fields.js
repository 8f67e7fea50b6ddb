/* One element per parameter. The markup is that of templates/components/parameter.html, which
   serves browsers without JavaScript. An element is kept as long as its parameter keeps its form,
   so that focus, selection and what is being typed survive every response. */

import { SOURCES } from "./state.js";

let counter = 0;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${document.body.dataset.sprite}#${name}`);
  svg.append(use);
  return svg;
}

export function asList(text) {
  try {
    const list = JSON.parse(text || "[]");
    return Array.isArray(list) ? list.map((item) => String(item ?? "")) : [];
  } catch {
    return [];
  }
}

function choice(type, name, option, checked, disabled) {
  const input = element("input", { type, name, value: option.value.value, disabled });
  input.checked = checked;
  const text = element("span", { class: "choice-text" }, element("span", {}, option.name));
  if (option.description) text.append(element("span", { class: "field-hint" }, option.description));
  return element("label", { class: "choice" }, input, text);
}

/* Each control: build(parameter, value, change) → {root, target, write(value)}.
   target is the element that a label, a description and focus belong to. */
const controls = {
  input(parameter, id, change) {
    const { styling = {}, type } = parameter;
    const input = element("input", {
      class: "input", id, type: styling.mask_input ? "password" : "text", inputmode: type === "number" ? "decimal" : null,
      placeholder: styling.placeholder, autocomplete: "off", spellcheck: "false", readonly: styling.disabled,
    });
    input.addEventListener("input", () => change(input.value, "typing"));
    let root = input;
    if (styling.mask_input) {
      const reveal = element("button", { type: "button", class: "button", "aria-pressed": "false", "aria-label": "Show value" }, icon("eye"));
      reveal.addEventListener("click", () => {
        const show = input.type === "password";
        input.type = show ? "text" : "password";
        reveal.setAttribute("aria-pressed", String(show));
      });
      root = element("div", { class: "input-row" }, input, reveal);
    }
    return { root, target: input, write: (value) => { if (input.value !== value) input.value = value; } };
  },

  textarea(parameter, id, change) {
    const { styling = {} } = parameter;
    const input = element("textarea", { class: "textarea", id, rows: 4, placeholder: styling.placeholder, readonly: styling.disabled });
    input.addEventListener("input", () => change(input.value, "typing"));
    return { root: input, target: input, write: (value) => { if (input.value !== value) input.value = value; } };
  },

  dropdown(parameter, id, change) {
    const select = element("select", { class: "select", id, disabled: parameter.styling?.disabled });
    const write = (value) => {
      const options = [...(parameter.options ?? [])];
      const known = options.some((option) => option.value.value === value);
      select.replaceChildren();
      if (!known) select.append(element("option", { value }, value ? `${value} (not offered)` : parameter.styling?.placeholder || "Choose…"));
      for (const option of options) select.append(element("option", { value: option.value.value }, option.description ? `${option.name}: ${option.description}` : option.name));
      select.value = value;
    };
    select.addEventListener("change", () => change(select.value, "choice"));
    return { root: select, target: select, write };
  },

  radio(parameter, id, change) {
    const name = `choice-${id}`;
    const root = element("div", { class: "choice-grid", id, role: "radiogroup" });
    for (const option of parameter.options ?? []) root.append(choice("radio", name, option, false, parameter.styling?.disabled));
    root.addEventListener("change", (event) => change(event.target.value, "choice"));
    return { root, target: root, group: true, write: (value) => { for (const input of root.querySelectorAll("input")) input.checked = input.value === value; } };
  },

  "multi-select"(parameter, id, change) {
    const root = element("div", { class: "choice-grid", id, role: "group" });
    for (const option of parameter.options ?? []) root.append(choice("checkbox", `choice-${id}`, option, false, parameter.styling?.disabled));
    root.addEventListener("change", () => change(JSON.stringify([...root.querySelectorAll("input:checked")].map((input) => input.value)), "choice"));
    return {
      root, target: root, group: true,
      write: (value) => { const list = new Set(asList(value)); for (const input of root.querySelectorAll("input")) input.checked = list.has(input.value); },
    };
  },

  checkbox(parameter, id, change) { return toggle(parameter, id, change, "check"); },
  switch(parameter, id, change) { return toggle(parameter, id, change, "check switch"); },

  slider(parameter, id, change) {
    const { validation_min: low, validation_max: high } = parameter.validations?.[0] ?? {};
    const disabled = parameter.styling?.disabled;
    const range = element("input", { type: "range", id, min: low ?? 0, max: high ?? 100, step: 1, disabled });
    const number = element("input", { class: "input num", type: "text", inputmode: "decimal", readonly: disabled, "aria-label": `${parameter.display_name || parameter.name}, as a number` });
    range.addEventListener("input", () => { number.value = range.value; change(range.value, "typing"); });
    number.addEventListener("input", () => { range.value = number.value; change(number.value, "typing"); });
    return {
      root: element("div", { class: "slider" }, range, number), target: range,
      write: (value) => { if (number.value !== value) number.value = value; if (value !== "" && range.value !== value) range.value = value; },
    };
  },

  "tag-select"(parameter, id, change) {
    const disabled = parameter.styling?.disabled;
    const input = element("input", { id, type: "text", autocomplete: "off", placeholder: parameter.styling?.placeholder ?? "Type a value and press Enter", readonly: disabled });
    const root = element("div", { class: "tags" }, input);
    let list = [];
    const draw = () => {
      for (const tag of root.querySelectorAll(".tag")) tag.remove();
      list.forEach((text, index) => {
        const remove = element("button", { type: "button", "aria-label": `Remove ${text}`, disabled }, icon("close"));
        remove.addEventListener("click", () => { list = list.filter((_, at) => at !== index); draw(); change(JSON.stringify(list), "choice"); input.focus(); });
        root.insertBefore(element("span", { class: "tag" }, text, remove), input);
      });
    };
    const add = () => {
      const text = input.value.trim();
      input.value = "";
      if (text) { list = [...list, text]; draw(); change(JSON.stringify(list), "choice"); }
    };
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === ",") { event.preventDefault(); add(); }
      else if (event.key === "Backspace" && input.value === "" && list.length && !disabled) { list = list.slice(0, -1); draw(); change(JSON.stringify(list), "choice"); }
    });
    input.addEventListener("blur", add);
    return { root, target: input, write: (value) => { const next = asList(value); if (JSON.stringify(next) !== JSON.stringify(list)) { list = next; draw(); } } };
  },
};

function toggle(parameter, id, change, css) {
  const input = element("input", { type: "checkbox", id, disabled: parameter.styling?.disabled, role: css.includes("switch") ? "switch" : null });
  input.addEventListener("change", () => change(String(input.checked), "choice"));
  const root = element("label", { class: css }, input, element("span", {}, parameter.styling?.label || parameter.display_name || parameter.name));
  return { root, target: input, labelled: true, write: (value) => { input.checked = ["true", "1", "t", "T", "TRUE", "True"].includes(value); } };
}

/** What makes an element unfit for a changed parameter: everything but value and diagnostics. */
function shape(parameter) {
  const { value, diagnostics, ...rest } = parameter;
  return JSON.stringify(rest);
}

export class ParameterField {
  constructor(parameter, { onChange, onLeave }) {
    this.name = parameter.name;
    this.shape = shape(parameter);
    counter += 1;
    this.id = `parameter-${counter}`;
    this.changed = (value, how) => onChange(this.name, value, how);
    this.root = element("div", { class: "field", "data-parameter": this.name });
    this.root.addEventListener("focusout", (event) => { if (!this.root.contains(event.relatedTarget)) onLeave(this.name); });
    this.build(parameter);
  }

  build(parameter) {
    const label = parameter.display_name || parameter.name;
    const usable = controls[parameter.form_type];
    this.control = usable ? usable(parameter, this.id, this.changed) : null;
    const marks = [];
    if (parameter.required) marks.push("required");
    if (!parameter.mutable) marks.push("cannot be changed later");
    if (parameter.ephemeral) marks.push("for this start only");
    this.sourceMark = element("span", { class: "field-source" });
    const heading = element(this.control && !this.control.group ? "label" : "span", { class: "field-label", id: `${this.id}-label`, for: this.control && !this.control.group ? this.id : null }, label);
    for (const mark of marks) heading.append(element("span", { class: "field-mark" }, mark));
    heading.append(this.sourceMark);
    this.root.replaceChildren(heading);
    if (parameter.description) this.root.append(element("p", { class: "field-hint", id: `${this.id}-hint` }, parameter.description));
    if (this.control) {
      this.root.append(this.control.root);
      if (this.control.group) this.control.target.setAttribute("aria-labelledby", `${this.id}-label`);
    }
    this.problems = element("div", { id: `${this.id}-problems`, class: "stack-tight" });
    this.root.append(this.problems);
    const described = [parameter.description ? `${this.id}-hint` : "", `${this.id}-problems`].filter(Boolean).join(" ");
    this.control?.target.setAttribute("aria-describedby", described);
  }

  update(parameter, state) {
    const now = shape(parameter);
    const focused = this.root.contains(document.activeElement);
    if (now !== this.shape) {
      this.shape = now;
      this.build(parameter);
      if (focused) this.control?.target.focus();
    }
    const value = state.value(this.name);
    // While the reader types, the element itself is the truth.
    if (!(focused && state.source(this.name) === "user" && this.control?.target === document.activeElement)) this.control?.write(value);
    this.sourceMark.textContent = SOURCES[state.source(this.name)] ?? "";
    const diagnostics = state.visibleDiagnostics(parameter);
    const wrong = diagnostics.some((diagnostic) => diagnostic.severity === "error");
    if (wrong) this.control?.target.setAttribute("aria-invalid", "true");
    else this.control?.target.removeAttribute("aria-invalid");
    const text = JSON.stringify(diagnostics);
    if (text !== this.problemText) {
      this.problemText = text;
      this.problems.replaceChildren(...diagnostics.map((diagnostic) => {
        const words = [diagnostic.summary, diagnostic.detail].filter(Boolean).join(": ");
        return diagnostic.severity === "error"
          ? element("p", { class: "field-error" }, icon("error"), element("span", {}, words))
          : element("p", { class: "field-warning" }, words);
      }));
    }
  }
}
