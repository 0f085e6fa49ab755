"""What the configuration files of a folder say: a Hugging Face or timm model's, or an export's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError
from normscope.models.preprocessing.faults import processor_faults
from normscope.models.preprocessing.hugging_face_processor import (
    open_processor,
    run_claim,
    settings_of,
)
from normscope.models.preprocessing.processor import processor_claim
from normscope.models.preprocessing.timm_config import (
    is_timm_config,
    timm_claim,
    timm_faults,
    timm_settings,
)

if TYPE_CHECKING:
    from pathlib import Path

    from normscope.models.preprocessing.claim import Claim

CONFIG = "config.json"
PROCESSORS = ("processor_config.json", "preprocessor_config.json")
"""In transformers' order of precedence; the first holds an image processor only where nested."""

MOST_BYTES = 64 << 20


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of modest size.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        NormscopeError: If it cannot be read, is too large or holds something else.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise NormscopeError(
                f"{path} must be a configuration of at most {MOST_BYTES >> 20} MiB, got "
                f"{path.stat().st_size >> 20} MiB. Check the file."
            )
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NormscopeError(
            f"{path} must be a readable file, got: {error.strerror}. Check the path."
        ) from None
    except (ValueError, RecursionError) as error:
        raise NormscopeError(f"{path} must be JSON, got: {error}. Fetch it again.") from None
    if not isinstance(content, dict):
        raise NormscopeError(
            f"{path} must hold a JSON object, got {type(content).__name__}. Fetch it again."
        )
    return content


def processor_claims(path: Path) -> tuple[list[Claim], list[str]]:
    """What an image processor's folder or file says.

    Args:
        path: A folder that holds a processor's configuration, or such a file.

    Returns:
        Its claim, and what is wrong in it.

    Raises:
        NormscopeError: If there is none.
    """
    folder = path.parent if path.is_file() else path
    if path.is_file():
        content = read_json(path)
        found = content.get("image_processor", content), path.name
    else:
        found = processor_settings(path)
    if not found or not isinstance(found[0], dict):
        raise NormscopeError(
            f"--processor must be a folder or file of an image processor, got {path}, which holds "
            f"no {PROCESSORS[-1]}. Check the path."
        )
    claim, faults = processor_reading(
        found[0], path, found[1], model_config(folder).get("num_channels")
    )
    return [claim], faults


def model_config(folder: Path) -> dict[str, Any]:
    """The content of a folder's ``config.json``; empty where there is none."""
    path = folder / CONFIG
    return read_json(path) if path.is_file() else {}


def processor_settings(folder: Path) -> tuple[dict[str, Any], str] | None:
    """The image processor's settings in a folder, and the name of the file that holds them."""
    for name in PROCESSORS:
        path = folder / name
        if not path.is_file():
            continue
        content = read_json(path)
        nested = content.get("image_processor")
        if isinstance(nested, dict):
            return nested, name
        if name == PROCESSORS[-1]:
            return content, name
    return None


def folder_claims(folder: Path) -> tuple[list[Claim], list[str]]:
    """What a folder's configuration files say.

    Args:
        folder: Any; files that are not there say nothing.

    Returns:
        The processor's claim, then timm's, with what is wrong in each.
    """
    claims, faults = [], []
    config = model_config(folder)
    found = processor_settings(folder)
    if found is not None:
        settings, name = found
        # For a folder of timm's, transformers would read config.json in the processor's place.
        where = folder / name if is_timm_config(config) else folder
        claim, wrong = processor_reading(settings, where, name, config.get("num_channels"))
        claims.append(claim)
        faults += wrong
    if is_timm_config(config):
        settings, source = timm_settings(config), f"{CONFIG}, pretrained_cfg"
        claims.append(timm_claim(settings, source))
        faults += timm_faults(settings, source)
    return claims, faults


def processor_reading(
    settings: dict[str, Any], where: Path | str, name: str, channels: int | None
) -> tuple[Claim, list[str]]:
    """What a processor does, by its settings and by running it where transformers is installed.

    Args:
        settings: As the file has them.
        where: The folder, file or repository that transformers opens.
        name: The file, for the reader.
        channels: Of the model's images, where known.

    Returns:
        The claim, and what is wrong in the settings.
    """
    processor = open_processor(str(where))
    whole = settings if processor is None else settings | settings_of(processor)
    claim = processor_claim(whole, name)
    if processor is not None:
        claim = run_claim(claim, processor)
    return claim, processor_faults(whole, settings, channels, name)
