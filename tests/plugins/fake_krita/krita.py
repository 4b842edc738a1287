"""As much of Krita as the plug-in uses, in memory: documents are RGBA pictures of 8 bits. For PyQt5 and PyQt6."""

import importlib
import uuid

import pykrita

QT = pykrita.qt_major_version()
QtCore = importlib.import_module(f"PyQt{QT}.QtCore")
QtGui = importlib.import_module(f"PyQt{QT}.QtGui")
QtWidgets = importlib.import_module(f"PyQt{QT}.QtWidgets")
SPACE = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")


class Node:
    """A layer with a rectangle of pixels."""

    def __init__(self, name, kind):
        self._name, self._kind, self._space = name, kind, SPACE
        self._id = QtCore.QUuid(str(uuid.uuid4()))
        self._children, self._parent = [], None
        self._rect, self._data = QtCore.QRect(0, 0, 0, 0), b""

    def name(self):
        return self._name

    def type(self):
        return self._kind

    def uniqueId(self):
        return self._id

    def childNodes(self):
        return list(self._children)

    def parentNode(self):
        return self._parent

    def bounds(self):
        return self._rect

    def colorModel(self):
        return self._space[0]

    def colorDepth(self):
        return self._space[1]

    def colorProfile(self):
        return self._space[2]

    def setColorSpace(self, *space):
        self._space = space
        return True

    def visible(self):
        return True

    def animated(self):
        return False

    def addChildNode(self, child, above):
        place = self._children.index(above) + 1 if above is not None else len(self._children)
        self._children.insert(place, child)
        child._parent = self

    def remove(self):
        self._parent._children.remove(self)

    def pixelData(self, x, y, width, height):
        rows = []
        for row in range(y, y + height):
            for column in range(x, x + width):
                if self._rect.contains(column, row):
                    place = 4 * ((row - self._rect.y()) * self._rect.width() + column - self._rect.x())
                    rows.append(self._data[place : place + 4])
                else:
                    rows.append(b"\0\0\0\0")
        return QtCore.QByteArray(b"".join(rows))

    projectionPixelData = pixelData

    def setPixelData(self, data, x, y, width, height):
        if self._rect.isEmpty():
            self._rect, self._data = QtCore.QRect(x, y, width, height), data.data()
        else:  # a further band below
            assert (x, width) == (self._rect.x(), self._rect.width())
            self._rect.setHeight(self._rect.height() + height)
            self._data += data.data()
        return True

    def thumbnail(self, width, height):
        image = QtGui.QImage(width, height, QtGui.QImage.Format.Format_ARGB32)
        image.fill(QtGui.QColor("#c06030"))
        return image


class Selection:
    """What is selected: one byte a pixel over a rectangle, with the calls that the plug-in makes."""

    def __init__(self):
        self._rect, self._data = QtCore.QRect(), b""

    def setPixelData(self, data, x, y, width, height):
        self._rect, self._data = QtCore.QRect(x, y, width, height), bytes(data)

    def x(self):
        return self._rect.x()

    def y(self):
        return self._rect.y()

    def width(self):
        return self._rect.width()

    def height(self):
        return self._rect.height()

    def pixelData(self, x, y, width, height):
        own = self._rect
        inside = [
            (column - own.x() + (row - own.y()) * own.width()) if own.contains(column, row) else None
            for row in range(y, y + height)
            for column in range(x, x + width)
        ]
        return QtCore.QByteArray(bytes(0 if at is None else self._data[at] for at in inside))


class Document:
    """A document of one size, with a root layer."""

    def __init__(self, name, width, height):
        self._name, self._size = name, (width, height)
        self._root = Node("root", "grouplayer")
        self._active = None
        self._annotations = {}
        self._selection = None

    def rootNode(self):
        return self._root if self in Krita.instance()._documents else None

    def activeNode(self):
        return self._active

    def setActiveNode(self, node):
        self._active = node

    def width(self):
        return self._size[0]

    def height(self):
        return self._size[1]

    def xOffset(self):
        return 0

    def yOffset(self):
        return 0

    def name(self):
        return self._name

    def fileName(self):
        return ""

    def selection(self):
        return self._selection

    def setSelection(self, selection):
        self._selection = selection

    def createNode(self, name, kind):
        return Node(name, kind)

    def annotation(self, key):
        return self._annotations.get(key, QtCore.QByteArray())

    def setAnnotation(self, key, _description, data):
        self._annotations[key] = data

    def annotationTypes(self):
        return list(self._annotations)

    def removeAnnotation(self, key):
        self._annotations.pop(key, None)

    def close(self):
        Krita.instance()._documents.remove(self)


class Canvas:
    """A view's canvas; the plug-in asks nothing of it."""


class View:
    """A document on the screen."""

    def __init__(self, document):
        self._document = document

    def document(self):
        return self._document

    def selectedNodes(self):
        node = self._document.activeNode()
        return [] if node is None else [node]


class Action(QtCore.QObject):
    """A menu entry."""

    triggered = QtCore.pyqtSignal()

    def __init__(self, name, text):
        super().__init__()
        self.setObjectName(name)
        self.text = text


class Window:
    """The one window."""

    def __init__(self):
        self.actions, self._dockers = {}, []
        self._main = QtWidgets.QMainWindow()

    def createAction(self, name, text, _menu):
        self.actions[name] = Action(name, text)
        return self.actions[name]

    def dockers(self):
        return self._dockers

    def qwindow(self):
        return self._main

    def activeView(self):
        document = Krita.instance().activeDocument()
        return None if document is None else View(document)


class Notifier(QtCore.QObject):
    """Krita's events."""

    applicationClosing = QtCore.pyqtSignal()
    imageClosed = QtCore.pyqtSignal(str)
    viewCreated = QtCore.pyqtSignal(object)

    def setActive(self, _active):
        pass


class Krita(QtCore.QObject):
    """The application."""

    _instance = None

    @classmethod
    def instance(cls):
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

    def __init__(self):
        super().__init__()
        self._documents, self._extensions, self._factories = [], [], []
        self._notifier = Notifier()
        self._window = None

    def version(self):
        return f"5.99 fake (Qt {QT})"

    def documents(self):
        return list(self._documents)

    def views(self):
        return [View(document) for document in self._documents]

    def activeDocument(self):
        return self._documents[-1] if self._documents else None

    def activeWindow(self):
        return self._window

    def notifier(self):
        return self._notifier

    def addExtension(self, extension):
        self._extensions.append(extension)

    def addDockWidgetFactory(self, factory):
        self._factories.append(factory)

    # what a test does

    def open_document(self, name, width, height):
        document = Document(name, width, height)
        self._documents.append(document)
        return document

    def open_window(self):
        """Krita calls the extensions and makes the dockers when a window opens."""
        self._window = Window()
        for extension in self._extensions:
            extension.setup()
            extension.createActions(self._window)
        for factory in self._factories:
            docker = factory.widget()
            docker.setObjectName(factory.name)
            self._window._main.addDockWidget(QtCore.Qt.DockWidgetArea.RightDockWidgetArea, docker)
            self._window._dockers.append(docker)
        return self._window


class Extension(QtCore.QObject):
    """What a plug-in derives its own from."""


class DockWidget(QtWidgets.QDockWidget):
    """What a docker is derived from."""


class DockWidgetFactoryBase:
    """Where dockers go."""

    DockRight = 2


class DockWidgetFactory:
    """Makes dockers."""

    def __init__(self, name, _place, widget):
        self.name, self.widget = name, widget
