"""The unlock key, as the engine writes it."""

from __future__ import annotations

from pyinfra_swarm.engine.unlock_key import fingerprint, is_key


def test_a_key_is_told_from_other_texts_and_named_without_being_given_away() -> None:
    key = "SWMKEY-1-7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8"  # of Docker's documentation
    assert is_key(key)
    assert not any(map(is_key, ("", "SWMKEY-1-", key + "\n", f" {key}", "SWMTKN-1-" + key[9:])))
    assert len(fingerprint(key)) == 16
    assert fingerprint(key) != fingerprint(key[:-1] + "9")
    assert key[9:15] not in fingerprint(key)
