"""How long the plug-in holds Krita's GUI thread, by the clock and by the processor."""

import time

from krita import Krita

from .kit import ask, box, controller, docker
from .qt import QPoint, Qt, QTimer


class OwnMeter:
    """CPU milliseconds of the plug-in's own work on the GUI thread, tick by tick: what a busy machine does not change.

    The tick that puts a painting into the document is apart: it writes pixels.
    """

    def __init__(self):
        self.ticks, self.deliveries = [], []
        self.hooked = [(controller()._timer, controller()._drain), (docker()._poll, docker()._look)]
        for timer, slot in self.hooked:
            timer.timeout.disconnect()
            timer.timeout.connect(lambda slot=slot: self.timed(slot))

    def timed(self, slot):
        running = [task for task in controller().tasks.values() if not task.state.ended]
        began = time.thread_time()
        slot()
        spent = round(1000 * (time.thread_time() - began), 1)
        delivered = any(task.state.stage == "done" for task in running)
        (self.deliveries if delivered else self.ticks).append(spent)

    def stop(self):
        """The longest ticks, and those that delivered."""
        for timer, slot in self.hooked:
            timer.timeout.disconnect()
            timer.timeout.connect(slot)
        return {
            "longest": sorted(self.ticks, reverse=True)[:5],
            "count": len(self.ticks),
            "deliveries": self.deliveries,
        }


class StallMeter:
    """How long the GUI thread is held: gaps between ticks of a 5 ms timer."""

    def __init__(self):
        self.gaps = []
        self.last = time.perf_counter()
        self.timer = QTimer()
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.setInterval(5)
        self.timer.timeout.connect(self.tick)
        self.timer.start()

    def tick(self):
        now = time.perf_counter()
        stages = [task.state.stage for task in controller().tasks.values() if not task.state.ended]
        self.gaps.append((round(1000 * (now - self.last), 1), stages[0] if stages else ""))
        self.last = now

    def stop(self):
        """The longest gaps, longest first: milliseconds, and what was going on."""
        self.timer.stop()
        return sorted(self.gaps, reverse=True)[:10]


class Timed:
    """Seconds that the controller spends reading and writing pixels on the GUI thread."""

    def __init__(self):
        from vaporbrush import layers

        self.layers = layers
        self.spent = {}
        self.kept = {name: getattr(layers, name) for name in ("read", "insert")}
        for name, function in self.kept.items():
            setattr(layers, name, self.timed(name, function))

    def timed(self, name, function):
        def inner(*given, **named_):
            began = time.perf_counter()
            try:
                return function(*given, **named_)
            finally:
                self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - began

        return inner

    def stop(self):
        for name, function in self.kept.items():
            setattr(self.layers, name, function)
        return {name: round(1000 * value, 1) for name, value in self.spent.items()}


def strokes(tell, document, name):
    """Draw with the mouse, and tell how long the GUI thread was held meanwhile."""
    layer = document.createNode("Strokes", "paintlayer")
    document.rootNode().addChildNode(layer, None)
    yield 0.3
    document.setActiveNode(layer)
    window = Krita.instance().activeWindow().qwindow()
    middle = window.mapToGlobal(QPoint(window.width() // 3, window.height() // 2))
    yield 0.3
    meter = StallMeter()
    yield ask(tell, "stroke", [middle.x(), middle.y()])
    yield 0.3
    tell(name, {"gaps": meter.stop(), "drawn": box(layer)})
    layer.remove()
    yield 0.3
