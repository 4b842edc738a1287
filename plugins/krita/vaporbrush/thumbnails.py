"""Small pictures in the docker: styles, and where they paint."""

from __future__ import annotations

from vaporbrush_host.regions import Place, Region

from .qt import Qt, QtCore, QtGui

EDGE = 1  # px; of the frame around a region's picture


def density() -> float:
    """How many of the screen's pixels are one of Qt's, on each side."""
    screen = QtGui.QGuiApplication.primaryScreen()
    return 1.0 if screen is None else screen.devicePixelRatio()


def pixmap(image: QtGui.QImage | None, side: int) -> QtGui.QPixmap:
    """An image fitted into a square pixmap, centred, sharp on dense screens; a plain tile where there is none."""
    dense = density()
    side = round(side * dense)
    tile = QtGui.QPixmap(side, side)
    tile.fill(Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(tile)
    painter.setRenderHint(QtGui.QPainter.RenderHint.SmoothPixmapTransform)
    if image is None or image.isNull():
        painter.fillRect(tile.rect(), QtGui.QColor(128, 128, 128, 60))
    else:
        fitted = image.scaled(
            side, side, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        painter.drawImage((side - fitted.width()) // 2, (side - fitted.height()) // 2, fitted)
    painter.end()
    tile.setDevicePixelRatio(dense)
    return tile


def region_pixmap(region: Region, canvas: Place, size: QtCore.QSize) -> QtGui.QPixmap:
    """Where a region is in its picture: white on dark, as Krita shows masks, and as soft as it is."""
    dense = density()
    tile = QtGui.QPixmap(size * dense)
    data, width, height = region.thumbnail(canvas, (tile.width() - 2 * EDGE, tile.height() - 2 * EDGE))
    image = QtGui.QImage(data, width, height, width, QtGui.QImage.Format.Format_Grayscale8)
    tile.fill(Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(tile)
    left, top = (tile.width() - width) // 2, (tile.height() - height) // 2
    painter.drawImage(left, top, image)
    painter.setPen(QtGui.QColor(128, 128, 128))
    painter.drawRect(QtCore.QRect(left - EDGE, top - EDGE, width + EDGE, height + EDGE))
    painter.end()
    tile.setDevicePixelRatio(dense)
    return tile
