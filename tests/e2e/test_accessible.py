"""The check of accessibility finds what it is there to find."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.e2e.accessible import faults


def test_grave_faults_are_found_in_both_schemes_and_a_sound_page_has_none(browser: Browser) -> None:
    page = browser.new_page()
    sound = '<html lang="en"><head><title>Sound</title></head><body><main><h1>Sound</h1></main></body></html>'
    page.set_content(sound)
    assert faults(page) == []
    page.set_content(sound.replace("</h1>", '</h1><img src="x.png"><p style="color:#eee;background:#fff">Pale</p>'))
    assert {line.split(" (")[0] for line in faults(page)} == {
        f"{scheme}: {rule}" for scheme in ("light", "dark") for rule in ("image-alt", "color-contrast")
    }
    page.close()
