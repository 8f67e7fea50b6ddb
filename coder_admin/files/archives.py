"""Archives from outside, read safely: tar or zip in, a canonical tar and its files out.

Nothing is ever unpacked by the archive's own account: entries are read into memory under limits, and
an entry that could reach beyond its folder refuses the whole archive with one sentence that names it.
"""

import io
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MIB = 1024 * 1024
TAR = "application/x-tar"
ZIP_TYPES = frozenset({"application/zip", "application/x-zip-compressed"})
CONTENT_TYPES = frozenset({TAR}) | ZIP_TYPES

_BLOCK = 512
_CHUNK = 256 * 1024
_EPOCH = 0
_GZIP_MAGIC = b"\x1f\x8b"


class ArchiveError(ValueError):
    """An archive that is refused; the text is one sentence with the entry and what to do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold. Sizes in bytes."""

    packed: int = 100 * MIB
    unpacked: int = 100 * MIB
    entries: int = 50_000
    name_length: int = 1024
    depth: int = 64


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive. ``link`` is the resolved path of another entry that it stands for."""

    path: str
    content: bytes
    executable: bool = False
    link: str | None = None


def read_archive(data: bytes, content_type: str = TAR, limits: Limits = DEFAULT_LIMITS) -> dict[str, bytes]:
    """Path -> content of all regular files. Raises ArchiveError."""
    return {path: entry.content for path, entry in _entries(data, content_type, limits).items()}


def canonical_tar(data: bytes, content_type: str, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The archive as it is stored and hashed: a tar as sent once it proved safe, a zip converted to one.

    Equal zip contents give equal bytes (sorted, without times and owners), so that the hash of an
    upload does not depend on when the zip was made.
    """
    entries = _entries(data, content_type, limits)
    return data if content_type == TAR else pack({e.path: e.content for e in entries.values()}, entries)


def pack(files: Mapping[str, bytes], modes: Mapping[str, Entry] | None = None) -> bytes:
    """A tar of ``files`` that depends on nothing but their names, contents and executable bits."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(files):
            info = tarfile.TarInfo(path)
            info.size = len(files[path])
            executable = modes is not None and path in modes and modes[path].executable
            info.mode = 0o755 if executable else 0o644
            info.mtime = _EPOCH
            archive.addfile(info, io.BytesIO(files[path]))
    return buffer.getvalue()


def to_zip(data: bytes, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """A stored tar as a zip with the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, entry in sorted(_entries(data, TAR, limits).items()):
            info = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o755 if entry.executable else 0o644) << 16
            archive.writestr(info, entry.content)
    return buffer.getvalue()


def _entries(data: bytes, content_type: str, limits: Limits) -> dict[str, Entry]:
    if len(data) > limits.packed:
        raise ArchiveError(
            f"The archive has {len(data)} bytes, more than the limit of {limits.packed}: "
            "leave out files that the template does not need."
        )
    read = _read_zip if content_type in ZIP_TYPES else _read_tar
    found: dict[str, Entry] = {}
    size = 0
    for entry in read(data, limits):
        if entry.path in found:
            raise ArchiveError(f'The archive holds "{entry.path}" twice: pack each file once.')
        size += len(entry.content)
        if size > limits.unpacked:
            raise _too_large(entry.path, limits)
        found[entry.path] = entry
    _check_tree(found)
    return {path: _followed(entry, found) for path, entry in found.items()}


def _check_tree(found: Mapping[str, Entry]) -> None:
    for path in found:
        parent = posixpath.dirname(path)
        while parent:
            if parent in found:
                raise ArchiveError(
                    f'The archive uses "{parent}" as a file and as a folder: rename one of them.'
                )
            parent = posixpath.dirname(parent)


def _followed(entry: Entry, found: Mapping[str, Entry]) -> Entry:
    """The entry with the content of the file that its chain of links ends at."""
    seen = {entry.path}
    target = entry
    while target.link is not None:
        following = found.get(target.link)
        if following is None or following.path in seen:
            raise ArchiveError(
                f'The entry "{entry.path}" is a link to "{target.link}", which is no file of the archive: '
                "pack the file itself."
            )
        seen.add(following.path)
        target = following
    return entry if target is entry else Entry(entry.path, target.content, target.executable)


def _too_large(path: str, limits: Limits) -> ArchiveError:
    return ArchiveError(
        f'The archive unpacks to more than {limits.unpacked} bytes (reached at "{path}"): '
        "leave out files that the template does not need."
    )


def _too_many(limits: Limits) -> ArchiveError:
    return ArchiveError(
        f"The archive has more than {limits.entries} entries: leave out what the template does not need."
    )


def _safe_path(name: str, limits: Limits) -> str:
    """The entry's path in normal form, "" for the root itself; raises ArchiveError."""
    if "\x00" in name or "\\" in name:
        raise ArchiveError(f"The entry {name!r} has a backslash or NUL in its name: rename it.")
    if not name.isascii() and any("\ud800" <= character <= "\udfff" for character in name):
        # tarfile keeps bytes that are no UTF-8 as lone surrogates, which no database stores.
        raise ArchiveError(f"The name of the entry {name!a} is not UTF-8: rename it.")
    if len(name) > limits.name_length or name.count("/") > limits.depth:
        raise ArchiveError(f'The name of the entry "{name[:60]}…" is too long or too deep: shorten it.')
    if name.startswith("/") or (len(name) > 1 and name[1] == ":" and name[0].isalpha()):
        raise ArchiveError(f'The entry "{name}" has an absolute path: pack the folder with relative paths.')
    if ".." in name.split("/"):
        raise ArchiveError(
            f'The entry "{name}" leads out of the archive with "..": pack from inside the folder.'
        )
    path = posixpath.normpath(name) if name.strip("/") else ""
    return "" if path == "." else path


def _link_target(path: str, target: str, *, hard: bool) -> str:
    """Where a link leads, as a path in the archive; raises ArchiveError if that is outside."""
    joined = posixpath.normpath(target if hard else posixpath.join(posixpath.dirname(path), target))
    if target.startswith("/") or joined == ".." or joined.startswith("../"):
        raise ArchiveError(
            f'The entry "{path}" is a link to "{target}", out of the archive: replace it by the file itself.'
        )
    return joined


# --- tar -----------------------------------------------------------------------------------------


def _read_tar(data: bytes, limits: Limits) -> Iterator[Entry]:
    if data[:2] == _GZIP_MAGIC:
        raise ArchiveError("The archive is compressed with gzip: send a plain tar or a zip.")
    try:
        yield from _tar_entries(data, limits)
    except (tarfile.TarError, EOFError, UnicodeError, zlib.error, OSError, RecursionError) as problem:
        raise ArchiveError(f"The archive is not a readable tar ({problem}): pack it again.") from None


def _tar_entries(data: bytes, limits: Limits) -> Iterator[Entry]:
    if not data:
        raise ArchiveError("The archive is empty: send a tar or zip with at least one .tf file.")
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        count, left = 0, limits.unpacked
        while (member := archive.next()) is not None:
            count += 1
            if count > limits.entries:
                raise _too_many(limits)
            entry = _tar_entry(archive, member, left, limits)
            if entry is not None:
                left -= len(entry.content)
                yield entry
        if data[archive.offset : archive.offset + _BLOCK].strip(b"\0"):
            # tarfile takes a damaged header for the end and would drop the rest without a word.
            raise ArchiveError(f"The archive is damaged at byte {archive.offset}: pack it again.")


def _tar_entry(archive: tarfile.TarFile, member: tarfile.TarInfo, left: int, limits: Limits) -> Entry | None:
    path = _safe_path(member.name, limits)
    if member.isdir() or not path:
        return None
    if member.issym() or member.islnk():
        return Entry(path, b"", link=_link_target(path, member.linkname, hard=member.islnk()))
    if not member.isfile():
        raise ArchiveError(f'The entry "{path}" is a device or pipe, not a file: leave it out.')
    if member.size > left:
        raise _too_large(path, limits)  # before reading: a sparse file only claims its size
    source = archive.extractfile(member)
    try:
        content = source.read() if source is not None else b""
    except tarfile.ReadError:
        raise ArchiveError(f'The archive ends inside "{path}": pack it again.') from None
    return Entry(path, content, executable=bool(member.mode & 0o100))


# --- zip -----------------------------------------------------------------------------------------


def _read_zip(data: bytes, limits: Limits) -> Iterator[Entry]:
    try:
        if _directory_count(data) > limits.entries:
            raise _too_many(limits)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if len(infos) > limits.entries:
                raise _too_many(limits)
            left = limits.unpacked
            for info in infos:
                entry = _zip_entry(archive, info, left, limits)
                if entry is not None:
                    left -= len(entry.content)
                    yield entry
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, zlib.error, OSError) as problem:
        raise ArchiveError(f"The archive is not a readable zip ({problem}): pack it again.") from None
    except (NotImplementedError, RuntimeError, ValueError) as problem:
        if isinstance(problem, ArchiveError):
            raise
        raise ArchiveError(
            f"The zip cannot be read ({problem}): pack it without password, by deflate."
        ) from None


def _directory_count(data: bytes) -> int:
    """How many entries the zip's directory lists, counted before Python builds an object for each."""
    end = data.rfind(b"PK\x05\x06")
    if end < 0 or len(data) < end + 22:
        return 0
    size = int.from_bytes(data[end + 12 : end + 16], "little")
    return data.count(b"PK\x01\x02", max(0, end - size), end)


def _zip_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, left: int, limits: Limits) -> Entry | None:
    path = _safe_path(info.orig_filename, limits)
    if info.is_dir() or not path:
        return None
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
        raise ArchiveError(f'The entry "{path}" is a device or pipe, not a file: leave it out.')
    content = _inflate(archive, info, path, left, limits)
    if kind == stat.S_IFLNK:
        return Entry(path, b"", link=_link_target(path, content.decode("utf-8", "replace"), hard=False))
    return Entry(path, content, executable=bool(mode & 0o100))


def _inflate(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str, left: int, limits: Limits) -> bytes:
    """The content, read in pieces: the size that a zip states about itself is not believed."""
    pieces, size = [], 0
    with archive.open(info) as source:
        while piece := source.read(_CHUNK):
            size += len(piece)
            if size > left:
                raise _too_large(path, limits)
            pieces.append(piece)
    return b"".join(pieces)
