"""The benchmarks page shows the stored results."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from benchmarks import results

STORED = results.load(results.DIRECTORY / "benchmarks.json")


def test_page() -> None:
    """The tables are made from the results."""
    text = (results.DIRECTORY / "benchmarks.md").read_text("utf-8")
    assert results.page(text, STORED) == text
    assert results.markdown(STORED) in text


def test_chart() -> None:
    """The chart is made from the results, and has a description in words."""
    text = (results.DIRECTORY / "benchmarks.svg").read_text("utf-8")
    assert results.svg(STORED) == text
    described = ET.fromstring(text).findtext("{http://www.w3.org/2000/svg}desc")
    shown = [one.tool for case in STORED.cases for one in case.shown]
    assert described is not None
    assert [] == [tool for tool in shown if tool not in described]


def test_file() -> None:
    """The file is exactly as the benchmark writes it."""
    assert (results.DIRECTORY / "benchmarks.json").read_text("utf-8") == STORED.as_json()
