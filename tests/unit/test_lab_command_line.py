"""What the `lab` command takes, without a lab."""

from __future__ import annotations

import pytest

from lab.cli import _parser


@pytest.mark.parametrize("text", ["-5", "nan", "inf", "soon"])
def test_a_power_cut_lasts_a_number_of_seconds(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Otherwise the host would have lost its power when the number turns out to be none.
    with pytest.raises(SystemExit):
        _parser().parse_args(["power-cut", "node1", "--for", text])
    assert f'"{text}" is no number of seconds from 0 to 86400' in capsys.readouterr().err
