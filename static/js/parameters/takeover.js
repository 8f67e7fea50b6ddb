/* The fields that came with the page can be filled in before the connection stands. */

const PREFIX = "param.";

function isChanged(control) {
  if (control.type === "checkbox" || control.type === "radio") return control.checked !== control.defaultChecked;
  if (control.tagName === "SELECT") return control.selectedIndex !== Math.max(0, [...control.options].findIndex((option) => option.defaultSelected));
  return control.value !== control.defaultValue;
}

function valueOf(form, name, control) {
  const group = [...form.querySelectorAll(`[name="${CSS.escape(name)}"]`)].filter((one) => one.type !== "hidden");
  if (form.querySelector(`[name="${CSS.escape(`${name}:list`)}"]`)) return JSON.stringify(group.filter((one) => one.checked).map((one) => one.value));
  if (form.querySelector(`[name="${CSS.escape(`${name}:lines`)}"]`)) return JSON.stringify(control.value.split("\n").map((line) => line.trim()).filter(Boolean));
  if (control.type === "radio") return group.find((one) => one.checked)?.value ?? "";
  return control.type === "checkbox" ? String(control.checked) : control.value;
}

/** name → value of every parameter whose field differs from what the page came with. */
export function adopt(form) {
  const changes = new Map();
  for (const control of form.elements) {
    if (!control.name.startsWith(PREFIX) || control.type === "hidden" || !isChanged(control)) continue;
    changes.set(control.name.slice(PREFIX.length), valueOf(form, control.name, control));
  }
  return changes;
}
