from collections.abc import Sequence


def check_positive(**given: Sequence[int]) -> None:
    """Raise a ValueError that names the first group of numbers with one below 1."""
    for name, numbers in given.items():
        if min(numbers) < 1:
            msg = f"Expected `{name}` to be positive, got {numbers}."
            raise ValueError(msg)
