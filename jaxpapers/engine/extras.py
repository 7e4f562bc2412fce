"""Optional packages, imported where they are used."""

import importlib
from types import ModuleType


def require_extra(module_name: str, extra: str) -> ModuleType:
    """Imports a package that only an extra of ``jaxpapers`` installs.

    Args:
        module_name: dotted name of the module, such as ``"orbax.checkpoint"``.
        extra: the extra that brings it, such as ``"ckpt"``.

    Returns:
        The module.

    Raises:
        ImportError: the module cannot be imported; the message has the pip line.
    """
    try:
        return importlib.import_module(module_name)
    except ImportError as error:
        raise ImportError(
            f'{module_name} is needed here: pip install "jaxpapers[{extra}]" ({error})'
        ) from error
