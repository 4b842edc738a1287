"""What becomes of the colours (Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer"; for the palette
Kolkin et al. 2022, section 3.4, in Ottosson's OKLab).

Images are (1, 3, H, W) sRGB-encoded RGB in [0, 1]; weights (H, W) say which pixels count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .device import small_dtype

# Y'IQ, whose first row is the luma of Rec. 601: the space of the paper's luminance-only transfer
_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
LUMA = _YIQ[0]
# OKLab (Ottosson 2020): linear RGB to cone responses, and their cube roots to lightness and two opponent colours
_CONES = ((0.4122214708, 0.5363325363, 0.0514459929), (0.2119034982, 0.6806995451, 0.1073969566),
          (0.0883024619, 0.2817188376, 0.6299787005))  # fmt: skip
_LAB = ((0.2104542553, 0.7936177850, -0.0040720468), (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660))  # fmt: skip
GUIDED = (
    5  # passes over 3×3 pixels that smooth colours along the painting's lightness, so a margin of 5 pixels sees all
)
BAND = 256  # rows that are smoothed at once
SIMILAR = 0.05  # of lightness, 0 to 1: across a larger step colours hardly mix, which is what keeps them from bleeding
_FLOOR = 1e-5  # variance of a colour that does not vary, so that a flat picture can be matched too


def luma(image: Tensor) -> Tensor:
    """(1, 1, H, W)."""
    weights = image.new_tensor(LUMA).view(1, 3, 1, 1)
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


def oklab(image: Tensor) -> Tensor:
    """Lightness and two opponent colours (1, 3, H, W) of sRGB-encoded RGB."""
    linear = torch.where(image <= 0.04045, image / 12.92, ((image.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)
    cones = _mapped(linear, torch.tensor(_CONES))
    return _mapped(cones.sign() * cones.abs() ** (1 / 3), torch.tensor(_LAB))


def from_oklab(lab: Tensor) -> Tensor:
    """The inverse; colours outside of sRGB are clipped."""
    cones = _mapped(lab, torch.linalg.inv(torch.tensor(_LAB, dtype=torch.float64))) ** 3
    linear = _mapped(cones, torch.linalg.inv(torch.tensor(_CONES, dtype=torch.float64))).clamp(0, 1)
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def _mapped(image: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("ij,bjhw->bihw", matrix.to(image), image)


@dataclass(frozen=True)
class Palette:
    """The linear map of OKLab that gives one picture's colours another's mean and covariance, symmetric (Pitié &
    Kokaram 2007, the Monge-Kantorovitch form): no other moves colours less.
    """

    matrix: Tensor  # (3, 3)
    source: Tensor  # (3,)
    wanted: Tensor  # (3,)

    @classmethod
    def of(
        cls, content: Tensor, content_weights: Tensor | None, style: Tensor, style_weights: Tensor | None
    ) -> Palette:
        """From the content's colours to the style's."""
        source, covariance = moments(oklab(content), content_weights)
        wanted, aim = moments(oklab(style), style_weights)
        root = _power(covariance.cpu().double(), 0.5)
        back = _power(covariance.cpu().double(), -0.5)
        return cls(back @ _power(root @ aim.cpu().double() @ root, 0.5) @ back, source.cpu(), wanted.cpu())

    def __call__(self, content: Tensor, painted: Tensor) -> Tensor:
        """The painting's lightness with the content's colours, moved and smoothed along it: (1, 3, H, W)."""
        lab = oklab(content)
        moved = _mapped(lab - self.source.to(lab).view(1, 3, 1, 1), self.matrix) + self.wanted.to(lab).view(1, 3, 1, 1)
        lightness = oklab(painted)[:, :1]
        return from_oklab(torch.cat([lightness, guided(moved[:, 1:], lightness)], 1))


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """Of a symmetric positive matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp(min=1e-12) ** exponent) @ vectors.T
    return root


def even(painted: Tensor, *, wrap: bool) -> Tensor:
    """`painted` with its colours smoothed along its own lightness (Kolkin et al. 2022 end so too): by what a pixel's
    colour differs from that of neighbours as light as itself is grain of the optimisation, not paint.
    """
    height = painted.shape[2]
    around = functional.pad(painted, (GUIDED,) * 4, mode="circular" if wrap else "replicate")
    whole = torch.empty_like(painted)
    for top in range(0, height, BAND):  # what is held at once does not grow with the picture
        bottom = min(height, top + BAND)
        lab = oklab(around[:, :, top : bottom + 2 * GUIDED])
        smooth = from_oklab(torch.cat([lab[:, :1], guided(lab[:, 1:], lab[:, :1])], 1))
        whole[:, :, top:bottom] = smooth[:, :, GUIDED:-GUIDED, GUIDED:-GUIDED]
    return whole


def guided(colours: Tensor, lightness: Tensor) -> Tensor:
    """`colours` (1, C, H, W) smoothed where `lightness` (1, 1, H, W) is even, and not across its edges: a joint
    bilateral filter (Petschnigg et al. 2004) has no halos, as it only ever averages.
    """
    height, width = lightness.shape[2:]

    def around(image: Tensor) -> Iterator[Tensor]:
        padded = functional.pad(image, (1, 1, 1, 1), mode="replicate")
        for y in range(3):
            for x in range(3):
                yield padded[:, :, y : y + height, x : x + width]

    weights = [torch.exp(-0.5 * ((near - lightness) / SIMILAR).square()) for near in around(lightness)]
    total = torch.stack(weights).sum(0)
    for _ in range(GUIDED):
        colours = torch.stack([w * near for w, near in zip(weights, around(colours), strict=True)]).sum(0) / total
    return colours
