"""What the web process sends of the page's files."""

from __future__ import annotations

from pathlib import Path

from homing_web.pages import modules_of, read_assets, view_of


def test_comments_are_not_sent(tmp_path: Path) -> None:
    """They go, with the white space; strings, templates and regular expressions stay."""
    said = r'say("a  // b", `c  ${d} /* e */`, f.replace(/^"  \/\/(.)/, x)); // gone'
    (tmp_path / "some.js").write_text(f"/** Gone. */\n{said}\n", "utf-8")
    (tmp_path / "some.css").write_text("/* gone */ a :is(b, c) { color: red; }\n", "utf-8")
    assets = read_assets(tmp_path)
    sent = rb'say("a  // b",`c  ${d} /* e */`,f.replace(/^"  \/\/(.)/,x));'
    assert assets["some.js"].body == sent
    assert assets["some.css"].body == b"a :is(b,c){color:red}"


def test_every_view_finds_its_modules() -> None:
    """Each module that is imported exists, and each view of a route has its imports with it."""
    assets = read_assets()
    for path in ("/", "/locations/new", "/locations/x", "/commands", "/commands/x"):
        view = view_of(path)
        assert view is not None
        modules = modules_of(assets, "app.js", view)
        assert "dom.js" in modules
        assert set(modules) <= set(assets)
    assert view_of("/locations/x/y") is None
