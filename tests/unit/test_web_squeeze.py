"""What the web process leaves out of the page's files, and what it must not touch."""

from __future__ import annotations

import pytest

from homing_web import squeeze
from homing_web.pages import modules_of, read_assets, view_of


@pytest.mark.parametrize(
    ("source", "sent"),
    [
        ("const a = 1; // why\nconst b = { c: 2, };\n", "const a=1;const b={c:2};"),
        ("/** @type {x} */ (y).z()", "(y).z()"),
        ('say("a  b", "// no", "/* no */");', 'say("a  b","// no","/* no */");'),
        ("say(`a  ${ b } // no`);", "say(`a  ${ b } // no`);"),
        ('s.replace(/^(.{2})  "/, x);', 's.replace(/^(.{2})  "/,x);'),
        ("a / b; // half\nc", "a / b;c"),
        ("for (;;) { x(); }", "for(;;){x()}"),
        ("return a + b;\n}", "return a + b}"),
    ],
)
def test_a_script_means_the_same(source: str, sent: str) -> None:
    """Comments and spaces go; strings, templates and regular expressions stay as they are."""
    assert squeeze.script(source) == sent


def test_a_style_means_the_same() -> None:
    """The space that says "inside of" stays, also before a pseudo-class."""
    source = '/* x */\na :is(b, c) , d { color: red; content: "a  ; b"; }\n@media (x) and (y) { }'
    assert squeeze.style(source) == ('a :is(b,c),d{color:red;content:"a  ; b"}@media (x) and (y){}')


def test_every_view_finds_its_modules() -> None:
    """Each module that is imported exists, and each view of a route has its imports with it."""
    assets = read_assets()
    for path in ("/", "/locations/new", "/locations/x"):
        view = view_of(path)
        assert view is not None
        modules = modules_of(assets, "app.js", view)
        assert "dom.js" in modules
        assert set(modules) <= set(assets)
    assert view_of("/locations/x/y") is None
