import json

import pytest

from jaxpapers.engine import require_extra


def test_gives_the_module():
    assert require_extra("json", "io") is json


def test_says_what_to_install():
    message = r'nowhere.at_all is needed here: pip install "jaxpapers\[plot\]"'
    with pytest.raises(ImportError, match=message):
        require_extra("nowhere.at_all", "plot")
