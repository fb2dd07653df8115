"""The error of a file that can be opened but not used."""


class PanopticFileError(ValueError):
    """A file's content does not fit; the message names the file, what is wrong and the cure."""
