"""The slow second way: prepares images one by one, and shares no code with the audit."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def opened(photos):
    return [
        (Image.open(path).convert("RGB"), label)
        for label, folder in enumerate(sorted((photos / "val").iterdir()))
        for path in sorted(folder.iterdir())
    ]


def sized(image, interpolation=InterpolationMode.BILINEAR, antialias=True):
    tensor = functional.to_image(image)
    tensor = functional.resize(tensor, [40], interpolation, antialias=antialias)
    return functional.center_crop(tensor, [32])


def saved(image):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=75)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


PIXELS = {
    "nearest": lambda image: sized(image, InterpolationMode.NEAREST),
    "bicubic": lambda image: sized(image, InterpolationMode.BICUBIC),
    "no-antialias": lambda image: sized(image, antialias=False),
    "crop-only": lambda image: functional.center_crop(functional.to_image(image), [32]),
    "exif": lambda image: sized(ImageOps.exif_transpose(image)),
    "jpeg-75": lambda image: sized(saved(image)),
}
VALUES = {
    "none": lambda x: x,
    "0..255": lambda x: (255 * x - MEAN) / STD,
    "divided-twice": lambda x: (x / 255 - MEAN) / STD,
    "twice": lambda x: ((x - MEAN) / STD - MEAN) / STD,
    "no-std": lambda x: x - MEAN,
    "multiplied": lambda x: (x - MEAN) * STD,
    "half": lambda x: (x - 0.5) / 0.5,
    "bgr": lambda x: ((x - MEAN) / STD)[..., ::-1].copy(),
    "bgr-pixels": lambda x: (x[..., ::-1] - MEAN) / STD,
    "mean-order": lambda x: (x - MEAN[::-1]) / STD,
    "grey": lambda x: ((x @ [0.299, 0.587, 0.114])[..., None] - MEAN) / STD,
}


def by_hand(model, images, name):
    def prepared(image):
        x = PIXELS.get(name, sized)(image).numpy().transpose(1, 2, 0) / 255
        return VALUES.get(name, lambda x: (x - MEAN) / STD)(x).transpose(2, 0, 1)

    inputs = torch.tensor(np.stack([prepared(image) for image, _ in images]))
    inputs = inputs.float().contiguous()
    with torch.no_grad():
        return model.eval()(inputs.clone()).argmax(1).numpy(), inputs


def met_by_hand(model, inputs):
    """Mean and variance of each channel of what each BatchNorm of the plain network meets."""
    met = {}

    def listener(name):
        def listen(_, given, by_name):
            (met_now,) = (*given, *by_name.values())
            met.setdefault(name, []).append(met_now.double().transpose(0, 1).flatten(1))

        return listen

    hooks = [
        module.register_forward_pre_hook(listener(name), with_kwargs=True)
        for name, module in model.named_modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    with torch.no_grad():
        model.eval()(inputs.clone())
    for hook in hooks:
        hook.remove()
    values = {name: torch.cat(parts, 1).numpy() for name, parts in met.items()}
    return {name: (each.mean(1), each.var(1)) for name, each in values.items()}


def drift_by_hand(model, inputs):
    """How far these are from what each BatchNorm remembers."""
    found = {}
    for name, (mean, variance) in met_by_hand(model, inputs).items():
        batchnorm = model.get_submodule(name)
        std = np.sqrt(batchnorm.running_var.double().numpy() + batchnorm.eps)
        shift = (mean - batchnorm.running_mean.double().numpy()) / std
        stretch = np.sqrt(variance + batchnorm.eps) / std - 1
        found[name] = np.sqrt((shift**2 + stretch**2).mean())
    return found
