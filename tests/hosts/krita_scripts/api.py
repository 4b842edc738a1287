"""What the real Krita offers of each class that the type checker's stub file names. test_krita_api.py judges it."""

import krita
from vaporbrush_driver.kit import scene

CLASSES = (
    *("Canvas", "DockWidget", "DockWidgetFactory", "DockWidgetFactoryBase", "Document", "Extension", "Krita", "Node"),
    *("Notifier", "Selection", "View", "Window"),
)


@scene
def what_there_is(tell):
    yield 1.0
    told = {}
    for name in CLASSES:
        found = getattr(krita, name, None)
        members = {} if found is None else {key: str(getattr(found, key).__doc__ or "") for key in dir(found)}
        told[name] = members
    tell("api", told)
