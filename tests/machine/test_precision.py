from __future__ import annotations

import pytest
import torch

from normscope.errors import NormscopeError, UnknownName
from normscope.machine import device
from normscope.machine.device import computes_bf16, resolve_precision
from normscope.trials.trainer import resolve_trainer

AMX = {"amx_bf16": True, "avx512_bf16": True}


@pytest.mark.parametrize(
    ("capabilities", "limit", "expected"),
    [
        (AMX, None, "bf16"),
        ({"avx512_bf16": True}, None, "bf16"),
        ({"avx512_bf16": True}, "DEFAULT", "bf16"),
        (AMX, "AVX512_CORE_AMX", "bf16"),
        (AMX, "AVX2", "fp32"),
        (AMX, "avx512_core", "fp32"),
        ({"avx2": True}, None, "fp32"),
        ({}, None, "fp32"),
    ],
)
def test_auto_is_bf16_where_the_processor_may_use_it(monkeypatch, capabilities, limit, expected):
    monkeypatch.setattr(device, "_cpu_capabilities", lambda: capabilities)
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    if limit:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert resolve_precision("auto") == expected


@pytest.mark.parametrize(
    ("capabilities", "limit", "expected"),
    [
        (AMX, "", "bf16"),
        (AMX, "AVX512_CORE_FP16", "fp32"),
        ({"avx512_bf16": True}, "", "fp32"),
    ],
)
def test_a_frozen_network_takes_bf16_where_there_is_amx(monkeypatch, capabilities, limit, expected):
    monkeypatch.setattr(device, "_cpu_capabilities", lambda: capabilities)
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert resolve_precision("auto", trains=False) == expected


def test_capabilities_are_torchs_own():
    assert device._cpu_capabilities().get("architecture", "x86_64")


def test_other_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert computes_bf16("cuda")
    assert not computes_bf16("mps")


def test_what_is_asked_for_is_kept():
    assert resolve_precision("bf16") == "bf16"
    assert resolve_precision("fp32") == "fp32"
    assert resolve_precision("auto", trainer="plain") == "fp32"
    assert resolve_trainer("plain") == "plain"


def test_wrong_names():
    with pytest.raises(UnknownName) as error:
        resolve_precision("bf61")
    assert str(error.value) == (
        "--precision must be one of auto, fp32, bf16, got 'bf61'. Did you mean 'bf16'?"
    )
    with pytest.raises(UnknownName) as error:
        resolve_trainer("slow")
    assert str(error.value) == (
        "--trainer must be one of fast, plain, compiled, got 'slow'. Choose one of these."
    )
    with pytest.raises(NormscopeError) as error:
        resolve_precision("bf16", "cpu", "plain")
    assert str(error.value) == (
        "--trainer plain must be given --precision fp32 or auto, got bf16. Use --trainer fast."
    )
