"""What is installed, what is missing, what will be used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import metadata, util


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What it is.
        fine: Whether it is there and works.
        note: Version, use, or how to get it.
        required: Whether nothing works without it.
    """

    name: str
    fine: bool
    note: str
    required: bool = False


_REQUIRED = {
    "torch": "everything learned",
    "av": "decode, encode, mux",
    "cv2": "flow, baselines, masks",
    "kornia": "filters, SSIM",
    "scenedetect": "shot cuts",
    "safetensors": "weights",
    "scipy": "sparse solves",
}
_OPTIONAL = {
    "torchvision": ("RAFT flow with weights you supply", "pip install --no-deps torchvision"),
    "decord": ("sampled random access; PyAV is used without it", "pip install decord2"),
    "jinja2": ("--report pages", "pip install 'vidinternal[report]'"),
    "rapidocr": ("reading text in captions", "pip install 'vidinternal[ocr]'"),
    "ray": ("clusters", "pip install 'vidinternal[ray]'"),
}
_DISTRIBUTIONS = {"cv2": "opencv-python", "decord": "decord2"}


def _version(module: str) -> str:
    try:
        return metadata.version(_DISTRIBUTIONS.get(module, module))
    except metadata.PackageNotFoundError:
        return "installed"


def examine() -> list[Finding]:
    """Look at libraries, processor, accelerator and encoders."""
    findings = []
    for module, use in _REQUIRED.items():
        there = util.find_spec(module) is not None
        findings.append(Finding(module, there, f"{_version(module)}: {use}" if there else f"missing: {use}", True))
    for module, (use, remedy) in _OPTIONAL.items():
        there = util.find_spec(module) is not None
        findings.append(Finding(module, there, f"{_version(module)}: {use}" if there else f"{use}; {remedy}"))
    if any(f.required and not f.fine for f in findings):
        return findings
    return findings + _machine() + _encoders()


def _machine() -> list[Finding]:
    import torch  # noqa: PLC0415 - only where it is installed

    from vidinternal.learn.precision import fast_bfloat16  # noqa: PLC0415 - needs torch

    cuda = torch.cuda.is_available()
    name = torch.cuda.get_device_name(0) if cuda else "none: --device auto computes on the CPU"
    half = "in hardware" if fast_bfloat16(torch.device("cpu")) else "not in hardware: networks compute in float32"
    capability = torch.backends.cpu.get_cpu_capability()
    cores = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads for torch, {capability}, bfloat16 {half}"
    return [Finding("processor", True, cores), Finding("CUDA device", cuda, name)]


def _encoders() -> list[Finding]:
    from vidinternal.media.codecs import available_encoders  # noqa: PLC0415 - opens FFmpeg

    return [
        Finding(f"encoder {codec}", bool(names), ", ".join(names) or "not in this FFmpeg build")
        for codec, names in available_encoders().items()
    ]
