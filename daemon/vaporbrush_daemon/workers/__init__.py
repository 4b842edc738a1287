"""The processes that own a device or a download, and the pipe between them and the front."""
