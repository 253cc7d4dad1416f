"""Partitions: the stable hash that order and scaling rest on."""

from homing.partition import fnv1a, key_token, partition_of, subject_of


def test_fnv1a_equals_the_published_vectors() -> None:
    """The hash is FNV-1a 32 as published, so that NATS's own mapping computes the same."""
    assert fnv1a("") == 0x811C9DC5
    assert fnv1a("a") == 0xE40C292C
    assert fnv1a("foobar") == 0xBF9CF968


def test_a_plain_key_is_its_own_token() -> None:
    """Ids stay readable in subjects."""
    assert key_token("019a-B_c") == "019a-B_c"


def test_any_other_key_is_encoded_and_cannot_be_taken_for_a_plain_one() -> None:
    """Distinct keys have distinct tokens, whatever characters they have."""
    keys = ["a.b", "a b", "*", ">", "", "_YS5i", "é", "\U0001f600", "a/b"]
    tokens = [key_token(key) for key in keys]
    assert len(set(tokens)) == len(keys)
    assert all(token.startswith("_") for token in tokens)


def test_the_partition_stands_unpadded_in_the_subject() -> None:
    """NATS's partition() mapping yields 1, not 01."""
    assert subject_of("locations.register", 1) == "homing.commands.1.locations.register"
    assert 0 <= partition_of("x", 64) < 64
