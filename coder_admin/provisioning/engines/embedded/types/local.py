"""``local_file`` and ``local_sensitive_file``, confined to the workspace's folder."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, Final

from coder_admin.provisioning.engines.base import EngineRequest
from coder_admin.terraform.values import Value, string, to_python

from .. import confined
from ..resource import Call, ResourceError, ResourceType, Values
from ..schema import Attribute, Schema, computed, optional, required

HASHES: Final = (
    "content_md5",
    "content_sha1",
    "content_sha256",
    "content_base64sha256",
    "content_sha512",
    "content_base64sha512",
)


def _permission(value: Value) -> str:
    text = to_python(value)
    if not 3 <= len(text) <= 4 or any(c not in "01234567" for c in text):
        return 'must be a mode in octal, such as "0644".'
    return ""


def _attributes(*, sensitive: bool, mode: str) -> dict[str, Attribute]:
    def argument(**more: Any) -> Attribute:
        return optional(force_new=True, sensitive=sensitive, **more)

    extra = {} if sensitive else {"sensitive_content": optional(force_new=True, sensitive=True)}
    return {
        "content": argument(),
        "content_base64": argument(),
        **extra,
        "source": optional(force_new=True),
        "filename": required(force_new=True),
        "file_permission": optional(force_new=True, default=string(mode), check=_permission),
        "directory_permission": optional(force_new=True, default=string(mode), check=_permission),
        "id": computed(),
        **{name: computed() for name in HASHES},
    }


def digests(content: bytes) -> dict[str, str]:
    """The computed hashes of a file's content."""
    sha256, sha512 = hashlib.sha256(content), hashlib.sha512(content)
    return {
        "content_md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "content_sha1": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        "content_sha256": sha256.hexdigest(),
        "content_base64sha256": base64.b64encode(sha256.digest()).decode(),
        "content_sha512": sha512.hexdigest(),
        "content_base64sha512": base64.b64encode(sha512.digest()).decode(),
    }


class LocalFile(ResourceType):
    name = "local_file"
    schema = Schema(_attributes(sensitive=False, mode="0777"))

    def check(self, config: Values) -> str:
        given = [n for n in self._sources if not config[n].is_null]
        if not given:
            return f"one of {', '.join(self._sources)} is required."
        return "" if len(given) == 1 else f"only one of {', '.join(given)} may be given."

    @property
    def _sources(self) -> list[str]:
        return [
            n
            for n in ("content", "sensitive_content", "content_base64", "source")
            if n in self.schema.attributes
        ]

    def exists(self, call: Call) -> bool:
        try:
            content = confined.read(call.workdir, call.had("filename"))
        except ResourceError:  # something else lies there now
            return False
        return content is not None and digests(content)["content_sha1"] == call.had("id")

    def create(self, call: Call) -> dict[str, Any]:
        content = self._content(call)
        confined.write(
            call.workdir,
            call.get("filename"),
            content,
            mode=int(call.get("file_permission"), 8) & 0o777,  # no set-uid files
            folder_mode=int(call.get("directory_permission"), 8) & 0o777 | 0o700,
        )
        hashes = digests(content)
        return {"id": hashes["content_sha1"], **hashes}

    def delete(self, call: Call) -> None:
        confined.remove(call.workdir, call.had("filename"))

    def _content(self, call: Call) -> bytes:
        if (source := call.get("source")) is not None:
            return source_file(call.request, source)
        if (encoded := call.get("content_base64")) is not None:
            try:
                return base64.b64decode(encoded, validate=True)
            except binascii.Error:
                raise ResourceError("content_base64 does not hold base64.") from None
        plain = next(call.get(n) for n in self._sources if call.get(n) is not None)
        return str(plain).encode("utf-8", "surrogatepass")


class LocalSensitiveFile(LocalFile):
    name = "local_sensitive_file"
    schema = Schema(_attributes(sensitive=True, mode="0700"))


def source_file(request: EngineRequest, filename: str) -> bytes:
    """A file of the workspace's folder, else one of the template."""
    try:
        content = confined.read(request.workdir, filename)
    except ResourceError:
        content = None
    if content is not None:
        return content
    try:
        return request.source.read("/".join(confined.parts_of(filename, request.workdir)))
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise ResourceError(
            f'The file "{filename}" is neither in the workspace\'s folder nor in the template.'
        ) from None
