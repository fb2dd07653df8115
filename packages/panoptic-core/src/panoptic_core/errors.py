"""What a command reports as one line instead of a traceback."""


class CommandError(Exception):
    """A mistake that whoever typed the command can mend; the message says what and how."""
