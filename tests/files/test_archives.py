"""Archives from outside: what is read, what is refused, and that each refusal names the entry."""

import io
import struct
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_admin.files.archives import (
    TAR,
    ArchiveError,
    Limits,
    canonical_tar,
    pack,
    read_archive,
    to_zip,
)

ZIP = "application/zip"


def tar_of(*members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def special(name: str, kind: bytes, linkname: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = linkname
    return info


def zip_of(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def zip_info(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=(2024, 1, 1, 1, 1, 2))
    info.external_attr = mode << 16
    return info


def test_tar_and_zip_give_the_same_files() -> None:
    files = {"main.tf": b"# x\n", "modules/a/b.tf": b"", "bin/run.sh": b"#!"}
    assert read_archive(tar_of(*files.items())) == files
    assert read_archive(zip_of(*files.items()), ZIP) == files
    assert read_archive(tar_of(("./main.tf", b"# x\n"))) == {"main.tf": b"# x\n"}


def test_zip_becomes_the_same_tar_whenever_it_was_made() -> None:
    early = zip_of((zip_info("b.tf", 0o100644), b"2"), ("a.tf", b"1"))
    late = zip_of(("a.tf", b"1"), ("b.tf", b"2"))
    assert early != late
    assert canonical_tar(early, ZIP) == canonical_tar(late, "application/x-zip-compressed")
    assert read_archive(canonical_tar(early, ZIP)) == {"a.tf": b"1", "b.tf": b"2"}


def test_tar_is_stored_as_sent() -> None:
    data = tar_of(("main.tf", b"x"))
    assert canonical_tar(data, TAR) == data


def test_stored_tar_is_served_as_zip_with_executable_bits() -> None:
    data = canonical_tar(zip_of((zip_info("run.sh", 0o100755), b"#!"), ("main.tf", b"x")), ZIP)
    with zipfile.ZipFile(io.BytesIO(to_zip(data))) as archive:
        assert archive.read("main.tf") == b"x"
        assert archive.getinfo("run.sh").external_attr >> 16 == 0o755


REFUSED_TARS = {
    "absolute path": (tar_of(("/etc/passwd", b"x")), "/etc/passwd", "absolute"),
    "windows path": (tar_of(("C:/boot.ini", b"x")), "C:/boot.ini", "absolute"),
    "parent folder": (tar_of(("a/../../b.tf", b"x")), "a/../../b.tf", ".."),
    "backslash": (tar_of(("a\\..\\b", b"x")), "b", "backslash"),
    "absolute folder": (tar_of(special("/tmp/x", tarfile.DIRTYPE)), "/tmp/x", "absolute"),
    "symbolic link out": (tar_of(special("a/l", tarfile.SYMTYPE, "../../x")), "a/l", "out of the archive"),
    "symbolic link to root": (tar_of(special("l", tarfile.SYMTYPE, "/etc/passwd")), "/etc/passwd", "out of"),
    "hard link out": (tar_of(special("a/l", tarfile.LNKTYPE, "../x")), "a/l", "out of the archive"),
    "dangling link": (tar_of(special("l", tarfile.SYMTYPE, "nowhere")), "nowhere", "no file of the archive"),
    "link loop": (
        tar_of(special("a", tarfile.SYMTYPE, "b"), special("b", tarfile.SYMTYPE, "a")),
        '"a"',
        "no file of the archive",
    ),
    "character device": (tar_of(special("null", tarfile.CHRTYPE)), "null", "device"),
    "block device": (tar_of(special("sda", tarfile.BLKTYPE)), "sda", "device"),
    "pipe": (tar_of(special("fifo", tarfile.FIFOTYPE)), "fifo", "device or pipe"),
    "twice": (tar_of(("a.tf", b"1"), ("./a.tf", b"2")), "a.tf", "twice"),
    "file and folder": (tar_of(("a", b"1"), ("a/b.tf", b"2")), '"a"', "file and as a folder"),
    "long name": (tar_of(("x" * 2000, b"1")), "xxx", "too long"),
    "name that is no UTF-8": (tar_of(("a\udc80.tf", b"1")), "a\\udc80.tf", "not UTF-8"),
    "empty": (b"", "", "empty"),
    "no tar": (b"this is no archive" * 100, "", "not a readable tar"),
    "gzip": (b"\x1f\x8b" + b"0" * 600, "", "gzip"),
    "cut": (tar_of(("a.tf", b"x" * 2000))[:1024], "a.tf", ""),
}


@pytest.mark.parametrize("case", REFUSED_TARS)
def test_unsafe_tar_is_refused_in_one_sentence(case: str) -> None:
    data, named, reason = REFUSED_TARS[case]
    with pytest.raises(ArchiveError) as caught:
        read_archive(data)
    message = str(caught.value)
    assert named in message
    assert reason in message
    assert "\n" not in message


def test_damaged_header_is_not_taken_for_the_end() -> None:
    data = bytearray(tar_of(("a.tf", b"1"), ("b.tf", b"2")))
    data[1024 + 20] ^= 0xFF
    with pytest.raises(ArchiveError, match="damaged at byte 1024"):
        read_archive(bytes(data))


REFUSED_ZIPS = {
    "absolute path": (zip_of(("/etc/passwd", b"x")), "/etc/passwd", "absolute"),
    "parent folder": (zip_of(("../b.tf", b"x")), "../b.tf", ".."),
    "symbolic link out": (zip_of((zip_info("l", 0o120777), b"../x")), '"l"', "out of the archive"),
    "device": (zip_of((zip_info("dev", 0o020644), b"")), "dev", "device"),
    "no zip": (b"PK no", "", "not a readable zip"),
    "cut": (zip_of(("a.tf", b"x" * 1000))[:-30], "", "not a readable zip"),
}


@pytest.mark.parametrize("case", REFUSED_ZIPS)
def test_unsafe_zip_is_refused_in_one_sentence(case: str) -> None:
    data, named, reason = REFUSED_ZIPS[case]
    with pytest.raises(ArchiveError) as caught:
        read_archive(data, ZIP)
    assert named in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zip_with_a_name_twice_is_refused() -> None:
    with pytest.raises(ArchiveError, match=r'"a.tf" twice'):
        read_archive(zip_of(("a.tf", b"1"), ("a.tf", b"2")), ZIP)


def test_damaged_content_of_a_zip_is_refused() -> None:
    data = bytearray(zip_of(("a.tf", bytes(range(256)) * 8)))
    data[60] ^= 0xFF
    with pytest.raises(ArchiveError, match="not a readable zip"):
        read_archive(bytes(data), ZIP)


def test_links_inside_the_archive_are_followed() -> None:
    data = tar_of(
        ("m/real.tf", b"1"),
        special("a.tf", tarfile.SYMTYPE, "m/b.tf"),
        special("m/b.tf", tarfile.SYMTYPE, "real.tf"),
        special("hard.tf", tarfile.LNKTYPE, "m/real.tf"),
    )
    assert read_archive(data) == dict.fromkeys(("m/real.tf", "a.tf", "m/b.tf", "hard.tf"), b"1")


def test_zip_bomb_is_stopped_by_what_it_unpacks_to() -> None:
    bomb = zip_of(("zeros", b"\0" * 3_000_000))
    assert len(bomb) < 10_000
    with pytest.raises(ArchiveError, match=r'more than 1000000 bytes .reached at "zeros"'):
        read_archive(bomb, ZIP, Limits(unpacked=1_000_000))


def test_zip_that_lies_about_its_size_is_stopped_too() -> None:
    bomb = bytearray(zip_of(("zeros", b"\0" * 3_000_000)))
    directory = bomb.rfind(b"PK\x01\x02")
    struct.pack_into("<I", bomb, directory + 24, 10)
    with pytest.raises(ArchiveError):
        read_archive(bytes(bomb), ZIP, Limits(unpacked=1_000_000))


def test_sparse_tar_entry_is_refused_before_it_is_read() -> None:
    info = tarfile.TarInfo("huge")
    info.size = 10**12
    header = info.tobuf(tarfile.GNU_FORMAT)
    with pytest.raises(ArchiveError, match='"huge"'):
        read_archive(header + b"\0" * 1024)


def test_sizes_of_all_entries_count_together() -> None:
    data = tar_of(("a", b"x" * 600), ("b", b"x" * 600))
    with pytest.raises(ArchiveError, match='reached at "b"'):
        read_archive(data, limits=Limits(unpacked=1000))
    with pytest.raises(ArchiveError, match="more than the limit of 1000"):
        read_archive(data, limits=Limits(packed=1000))


def test_hundred_thousand_entries_are_refused() -> None:
    block = tarfile.TarInfo("x").tobuf()
    with pytest.raises(ArchiveError, match="more than 50000 entries"):
        read_archive(tar_of(*(tarfile.TarInfo(f"d/{i}") for i in range(50_001))))
    assert len(block) == 512
    entry = b"PK\x01\x02" + b"\0" * 42
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 46 * 100_000, 0, 0)
    with pytest.raises(ArchiveError, match="more than 50000 entries"):
        read_archive(entry * 100_000 + end, ZIP)


@given(
    st.dictionaries(
        st.from_regex(r"[a-zA-Z0-9_.é-]{1,12}(/[a-z]{1,5}){0,3}", fullmatch=True).filter(
            lambda name: not set(name.split("/")) & {".", ".."}
        ),
        st.binary(max_size=50),
        max_size=6,
    )
)
def test_packing_and_reading_give_the_files_back(files: dict[str, bytes]) -> None:
    tree_ok = not any(other.startswith(f"{name}/") for name in files for other in files)
    data = pack(files)
    if tree_ok:
        assert read_archive(data) == files
        assert read_archive(to_zip(data), ZIP) == files
    else:
        with pytest.raises(ArchiveError):
            read_archive(data)


@given(st.binary(max_size=2000), st.sampled_from([TAR, ZIP]))
def test_any_bytes_are_read_or_refused(data: bytes, content_type: str) -> None:
    try:
        read_archive(data, content_type)
    except ArchiveError as refusal:
        message = str(refusal)
    else:
        message = "read"
    assert message
