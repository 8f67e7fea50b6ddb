"""Preparing a renderer for a stored version: its rights, files, variables and plan (reference 1.2).

Compiled templates are shared by all forms of a process and kept for a while after the last one closed, so
that builds, claims and reopened forms start warm. Whole renders are remembered, too: their key holds the
owner with groups and roles and every input, so a change of any of them is a new render.
"""

from __future__ import annotations

import re
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

from django.conf import settings

from coder_admin.catalog.models import TemplateVersion, TemplateVersionTerraformValues
from coder_admin.files.cache import Handle, file_cache
from coder_admin.foundation.errors import ServiceError, TooEarly
from coder_admin.parameters import render as rendering
from coder_admin.parameters.model import Output, PreviewParameter
from coder_admin.parameters.owner import DEFAULT_OWNER, Owner
from coder_admin.parameters.provider import Surroundings
from coder_admin.parameters.static import render_static, stored_parameter
from coder_admin.parameters.variables import VariableError, server_values
from coder_admin.terraform import MemoryFileSystem
from rbac.subjects import SystemSubject, acting_as

_DYNAMIC_SINCE = (1, 6)
_MODULES_PREFIX = ".terraform/modules/"
_VERSION = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})\Z")

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RecentlyUsed(Generic[K, V]):
    """A bounded mapping that forgets what was not used for long; threads may share it."""

    def __init__(self, *, entries: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries = entries
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._items: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value, None when it is not there (any more)."""
        with self._lock:
            found = self._items.get(key)
            if found is None:
                return None
            if self._clock() - found[1] > self._seconds:
                del self._items[key]
                return None
            self._items.move_to_end(key)
            return found[0]

    def put(self, key: K, value: V) -> None:
        """Keep the value; the entry used longest ago makes room."""
        with self._lock:
            self._items[key] = (value, self._clock())
            self._items.move_to_end(key)
            while len(self._items) > self._entries:
                self._items.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._items.clear()


_templates: RecentlyUsed[tuple[Hashable, ...], rendering.Template] = RecentlyUsed(entries=16, seconds=600)
_renders: RecentlyUsed[tuple[Hashable, ...], Output] = RecentlyUsed(entries=2048, seconds=300)


class Renderer(ABC):
    """Renders the form of one version; close it to give its files back. Not for two threads at once."""

    is_static: ClassVar[bool]
    organization_id: UUID

    @abstractmethod
    def render(self, owner: Owner | None, inputs: Mapping[str, str]) -> Output:
        """The form for an owner and inputs."""

    @abstractmethod
    def close(self) -> None:
        """Give the files back; closing twice is harmless."""

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class DynamicRenderer(Renderer):
    """Evaluates the template's files."""

    is_static = False

    def __init__(
        self,
        *,
        organization_id: UUID,
        template: rendering.Template,
        surroundings: Surroundings,
        key: tuple[Hashable, ...],
        handles: list[Handle],
    ) -> None:
        self.organization_id = organization_id
        self._renderer = rendering.Renderer(template, surroundings)
        self._key = (*key, surroundings)
        self._handles = handles

    def render(self, owner: Owner | None, inputs: Mapping[str, str]) -> Output:
        """The form for an owner and inputs; remembered for a while."""
        key = (self._key, owner, frozenset(inputs.items()))
        known = _renders.get(key)
        if known is None:
            known = self._renderer.render(owner or DEFAULT_OWNER, inputs)
            _renders.put(key, known)
        return known

    def close(self) -> None:
        """Give the files back; closing twice is harmless."""
        for handle in self._handles:
            handle.close()


class StaticRenderer(Renderer):
    """Renders what the import stored: for versions without the metadata of dynamic parameters (1.3)."""

    is_static = True

    def __init__(self, *, organization_id: UUID, parameters: list[PreviewParameter]) -> None:
        self.organization_id = organization_id
        self._parameters = parameters

    def render(self, owner: Owner | None, inputs: Mapping[str, str]) -> Output:
        """The stored parameters with their inputs; the owner plays no part."""
        return render_static(self._parameters, inputs)

    def close(self) -> None:
        """It holds no files."""


def is_dynamic(engine_version: str) -> bool:
    """Whether an import by this version of the worker's interface kept what dynamic parameters need."""
    found = _VERSION.match(engine_version)
    return found is not None and (int(found[1]), int(found[2])) >= _DYNAMIC_SINCE


def prepare(
    version: TemplateVersion, *, hold_files: bool = True, variables: Mapping[str, str] | None = None
) -> Renderer:
    """A renderer for a version that the caller was allowed to read. Close it.

    A form holds the version's files open for as long as it is shown. A build, which renders once, does
    without them (``hold_files`` false) while the compiled template is at hand. ``variables`` hold over those
    that the version was given; such a template is compiled for this once.
    Raises TooEarly while the import runs, ServiceError (500) when files or variables cannot be used.
    """
    if version.job.completed_at is None:
        raise TooEarly("Template version job has not finished")
    values = TemplateVersionTerraformValues.objects.filter(template_version=version).first()
    if values is None or not is_dynamic(values.provisionerd_version):
        return static_renderer(version)
    own = frozenset((variables or {}).items())
    key = (version.id, values.updated_at, version.updated_at, own)
    surroundings = _surroundings(version)
    template = _templates.get(key)
    handles = _acquire(version, values) if hold_files or template is None else []
    try:
        if template is None:
            template = _compile(version, values, handles, variables or {})
            if not own:
                _templates.put(key, template)
    except BaseException:
        for handle in handles:
            handle.close()
        raise
    return DynamicRenderer(
        organization_id=version.organization_id,
        template=template,
        surroundings=surroundings,
        key=key,
        handles=handles,
    )


def static_renderer(version: TemplateVersion) -> StaticRenderer:
    """A renderer of the parameters that the import stored."""
    rows = [stored_parameter(row) for row in version.parameters.all()]
    return StaticRenderer(organization_id=version.organization_id, parameters=rows)


def _acquire(version: TemplateVersion, values: TemplateVersionTerraformValues) -> list[Handle]:
    """The archive, then the modules. Who may read the version may have its files read, not download them."""
    wanted = [file_id for file_id in (version.job.file_id, values.cached_module_files_id) if file_id]
    handles: list[Handle] = []
    with acting_as(
        SystemSubject.FILE_READER, reason="render the form of a version the caller may read"
    ) as reader:
        try:
            for file_id in wanted:
                handles.append(file_cache.acquire(file_id, subject=reader))
        except Exception as problem:
            for handle in handles:
                handle.close()
            raise ServiceError(
                "Internal error fetching template version data.", detail=str(problem)
            ) from problem
    return handles


def _compile(
    version: TemplateVersion,
    values: TemplateVersionTerraformValues,
    handles: list[Handle],
    own: Mapping[str, str],
) -> rendering.Template:
    files = dict(handles[0].file.files) if handles else {}
    for handle in handles[1:]:
        files.update(
            {path: data for path, data in handle.file.files.items() if path.startswith(_MODULES_PREFIX)}
        )
    rows = version.variables.values_list("name", "type", "value", "default_value")
    try:
        variables = server_values(
            (name, kind, own.get(name, value), default) for name, kind, value, default in rows
        )
    except VariableError as problem:
        raise ServiceError("Internal error fetching template version data.", detail=str(problem)) from None
    return rendering.compile_template(MemoryFileSystem(files), plan=values.cached_plan, variables=variables)


def _surroundings(version: TemplateVersion) -> Surroundings:
    template = version.template
    return Surroundings(
        access_url=settings.ACCESS_URL,
        template_id=str(template.id) if template else "",
        template_name=template.name if template else "",
        template_version=version.name,
    )
