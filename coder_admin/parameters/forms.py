"""Which form control goes with which parameter type (reference dynamic-parameters 5.1)."""

from enum import StrEnum


class ParameterType(StrEnum):
    STRING = "string"
    NUMBER = "number"
    BOOL = "bool"
    LIST = "list(string)"


class FormType(StrEnum):
    RADIO = "radio"
    SLIDER = "slider"
    INPUT = "input"
    DROPDOWN = "dropdown"
    CHECKBOX = "checkbox"
    SWITCH = "switch"
    MULTI_SELECT = "multi-select"
    TAG_SELECT = "tag-select"
    TEXTAREA = "textarea"
    ERROR = "error"


#: (type, options exist) -> the allowed form types; the first is taken when the template names none.
ALLOWED: dict[tuple[ParameterType, bool], tuple[FormType, ...]] = {
    (ParameterType.STRING, True): (FormType.RADIO, FormType.DROPDOWN),
    (ParameterType.STRING, False): (FormType.INPUT, FormType.TEXTAREA),
    (ParameterType.NUMBER, True): (FormType.RADIO, FormType.DROPDOWN),
    (ParameterType.NUMBER, False): (FormType.INPUT, FormType.SLIDER),
    (ParameterType.BOOL, True): (FormType.RADIO, FormType.DROPDOWN),
    (ParameterType.BOOL, False): (FormType.CHECKBOX, FormType.SWITCH),
    (ParameterType.LIST, True): (FormType.RADIO, FormType.MULTI_SELECT),
    (ParameterType.LIST, False): (FormType.TAG_SELECT,),
}


class FormTypeError(ValueError):
    """A form type that the parameter's type and options do not allow; the text says which are."""


def form_type_for(kind: ParameterType, *, has_options: bool, wish: str = "") -> FormType:
    """The effective form type of a parameter; raises FormTypeError when ``wish`` is not allowed."""
    allowed = ALLOWED[kind, has_options]
    if not wish:
        return allowed[0]
    if wish in allowed:
        return FormType(wish)
    exist = "exist" if has_options else "do not exist"
    # The options are worth mentioning only if they are what stands in the way.
    because = f" when options {exist}" if wish in ALLOWED[kind, not has_options] else ""
    raise FormTypeError(
        f'"form_type" attribute="{wish}" is not supported for "type"="{kind}"{because}, '
        f"choose one of [{' '.join(allowed)}]"
    )


def option_type(kind: ParameterType, form_type: FormType) -> ParameterType:
    """The type of each option's value: the parameter's, but single strings for a multi-select."""
    if kind is ParameterType.LIST and form_type is FormType.MULTI_SELECT:
        return ParameterType.STRING
    return kind
