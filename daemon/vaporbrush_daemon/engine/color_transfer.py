"""What becomes of the colours (Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer").

Images are (1, 3, H, W) sRGB-encoded RGB in [0, 1]; weights (H, W) say which pixels count.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .device import small_dtype

# Y'IQ, whose first row is the luma of Rec. 601: the space of the paper's luminance-only transfer
_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
_FLOOR = 1e-5  # variance of a colour that does not vary, so that a flat picture can be matched too


def luma(image: Tensor) -> Tensor:
    """(1, 1, H, W)."""
    weights = image.new_tensor(_YIQ[0]).view(1, 3, 1, 1)
    return (image * weights).sum(1, keepdim=True)


def grey(image: Tensor) -> Tensor:
    """The luma in all three channels."""
    return luma(image).expand(-1, 3, -1, -1).contiguous()


def moments(image: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean (C,) and covariance (C, C) over the pixels, in double precision where the device has it."""
    flat = image[0].flatten(1).to(small_dtype(str(image.device)))  # (C, H*W)
    w = torch.ones_like(flat[0]) if weights is None else weights.flatten().to(flat.dtype)
    w = w / w.sum().clamp(min=1e-12)
    mean = flat @ w
    centred = flat - mean[:, None]
    return mean, (centred * w) @ centred.T + _FLOOR * torch.eye(len(flat), dtype=flat.dtype, device=flat.device)


def match(style: Tensor, style_weights: Tensor | None, content: Tensor, content_weights: Tensor | None) -> Tensor:
    """The style recoloured by the linear map that gives it the content's mean and covariance (Cholesky form, section
    3.1).
    """
    from_mean, from_covariance = moments(style, style_weights)
    to_mean, to_covariance = moments(content, content_weights)
    # (C, C), found on the CPU: some devices lack these decompositions, and none is faster at them
    to_root, from_root = (torch.linalg.cholesky(one.cpu().double()) for one in (to_covariance, from_covariance))
    transform: Tensor = (to_root @ torch.linalg.inv(from_root)).to(to_mean)
    mapped: Tensor = transform @ (style[0].flatten(1).to(from_mean.dtype) - from_mean[:, None]) + to_mean[:, None]
    return mapped.clamp(0, 1).to(style.dtype).view(style.shape)


def match_luma(style: Tensor, style_weights: Tensor | None, content: Tensor, content_weights: Tensor | None) -> Tensor:
    """The style in grey, with the mean and spread of the content's luma (section 3.2)."""
    return match(luma(style), style_weights, luma(content), content_weights).expand(-1, 3, -1, -1).contiguous()


def with_luma(content: Tensor, painted: Tensor) -> Tensor:
    """The content's chroma under the painting's luma. Y' + chroma keeps hue; what leaves the gamut is clipped at the
    end.
    """
    return content + (luma(painted) - luma(content))
