"""The resource types that are built in, by name."""

from __future__ import annotations

from typing import Final

from ..resource import ResourceType
from .coder import CoderAgent, CoderApp, CoderEnv, CoderMetadata, CoderScript
from .local import LocalFile, LocalSensitiveFile
from .null import NullResource, TerraformData
from .random import (
    RandomBytes,
    RandomId,
    RandomInteger,
    RandomPassword,
    RandomPet,
    RandomShuffle,
    RandomString,
    RandomUuid,
)
from .time import TimeOffset, TimeRotating, TimeSleep, TimeStatic

RESOURCE_TYPES: Final[dict[str, ResourceType]] = {
    kind.name: kind()
    for kind in (
        CoderAgent,
        CoderApp,
        CoderEnv,
        CoderMetadata,
        CoderScript,
        LocalFile,
        LocalSensitiveFile,
        NullResource,
        RandomBytes,
        RandomId,
        RandomInteger,
        RandomPassword,
        RandomPet,
        RandomShuffle,
        RandomString,
        RandomUuid,
        TerraformData,
        TimeOffset,
        TimeRotating,
        TimeSleep,
        TimeStatic,
    )
}
