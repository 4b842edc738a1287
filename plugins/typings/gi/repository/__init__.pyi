# Only what subclasses need is written down: pygobject-stubs would bring PyGObject, which is compiled against GLib.
