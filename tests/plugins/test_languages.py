"""Languages: every text is translated, with its fields, and the plug-ins speak as the host program does.

What the command line says is looked at in `tests/cli/test_spoken.py`.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.catalog import Catalog

from support.tool import tool

ROOT = Path(__file__).resolve().parents[2]
NAMED_BY = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
LANGUAGES = ("de", "es", "fr", "ja", "pl", "pt", "zh_CN")
# What things are called, the same in the plug-ins and in the terminal; without the endings that grammar gives them.
TERMS = {  # the English word: what each of the languages has, in their order
    r"\bdaemon\b": ("dienst", "servicio", "service", "デーモン", "usłu", "serviço", "后台程序"),
    r"\b(the|its|no|this) painter\b": (
        *("malmodul", "motor de pintura", "moteur", "描画エンジン", "program(u|em)? malując", "pintor", "绘制引擎"),
    ),
    r"\bpresets?\b(?! list| save| export)": (
        *("voreinstellung", "preajuste", "préréglage", "プリセット", "nastaw", "predefiniç", "预设"),
    ),
    r"(?<!--)\bregions?\b": ("bereich", "regi[oó]n", "région", "領域", "obszar", "regi(ão|ões)", "区域"),
    r"\bframes?\b": ("einzelbild", "fotograma", "image", "フレーム", "klat", "quadro", "帧"),
    r"\bplug-in\b": ("plugin", "complemento", "greffon", "プラグイン", "wtycz", "plug-in", "插件"),
    r"\bjobs?\b(?!`)": ("auftr", "trabajo", "tâche", "ジョブ", "zada", "trabalho", "任务"),
}


@pytest.fixture(scope="module")
def translations() -> ModuleType:
    """The tool that collects and compiles the texts."""
    return tool("translations")


def python(code: str, *folders: str, **environment: str) -> str:
    """What a program prints in surroundings that name no language but what is given."""
    usual = {name: value for name, value in os.environ.items() if name not in NAMED_BY}
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("protocol", "plugins/common", *folders))
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env={**usual, **environment, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def said(words: str, **environment: str) -> str:
    """What an expression of the texts' functions gives in another language."""
    return python(f"from vaporbrush_host.ui_text import _, _n; print({words})", **environment)


def test_every_text_is_translated_with_its_fields_and_compiled(
    translations: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    for catalogue in translations.CATALOGUES:
        assert tuple(file.parts[-3] for file in catalogue.languages()) == LANGUAGES
    assert translations.main(check=True) == 0, capsys.readouterr().err


def test_no_text_escapes_the_tool_as_it_does_in_the_braces_of_another(translations: ModuleType) -> None:
    missed = []
    for catalogue in translations.CATALOGUES:
        known = {text for each in catalogue.template() for text in ([each.id] if isinstance(each.id, str) else each.id)}
        for file in sorted((ROOT / catalogue.code).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("_", "_n"):
                    texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
                    missed += [f"{file.name}:{node.lineno}: {text}" for text in texts if text not in known]
    assert not missed


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is not translated"),
        ("So viele: {number}", "has the fields"),
        ("{count} _Ebenen", "underlined"),
        ("{count}\nEbenen", "lines"),
        ("{count} Ebenen", ""),
    ],
)
def test_a_wrong_translation_is_told(translations: ModuleType, text: str, fault: str) -> None:
    catalog = Catalog(locale="de")
    catalog.add("{count} layers", text)
    found = list(translations.faults(catalog))
    assert (fault in found[0]) if fault else not found


def test_where_the_original_has_one_in_words_a_translation_may(translations: ModuleType) -> None:
    for locale, texts, fault in (
        ("de", ("ein Stil", "{count} Stile"), ""),
        ("de", ("ein Stil", "Stile"), "has the fields"),
        ("ja", ("スタイル",), "has the fields"),
    ):
        catalog = Catalog(locale=locale)
        catalog.add(("one style", "{count} styles"), texts)
        found = list(translations.faults(catalog))
        assert (fault in found[0]) if fault else not found


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_thing_has_the_same_name_in_the_plug_ins_and_in_the_terminal(translations: ModuleType, language: str) -> None:
    names = {english: words[LANGUAGES.index(language)] for english, words in TERMS.items()}
    files = [file for each in translations.CATALOGUES for file in each.languages() if file.parts[-3] == language]
    assert len(files) == len(translations.CATALOGUES)
    for message in (each for file in files for each in translations.read(file) if each.id):
        original = message.id if isinstance(message.id, str) else message.id[-1]
        texts = (message.string,) if isinstance(message.string, str) else message.string
        for english in (each for each in names if re.search(each, original, re.IGNORECASE)):
            assert all(re.search(names[english], text, re.IGNORECASE) for text in texts), (original, texts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_speaks_the_language_of_its_surroundings(language: str) -> None:
    assert said("_('Stylize')", LANGUAGE=language) != "Stylize"
    assert said("_('Stylize')", LANG=f"{language}.UTF-8") == said("_('Stylize')", LANGUAGE=language)


def test_without_a_language_or_in_an_unknown_one_it_is_english() -> None:
    for environment in ({}, {"LANG": "C.UTF-8"}, {"LANGUAGE": "tlh"}, {"LANG": "en_GB.UTF-8"}):
        assert said("_('Stylize')", **environment) == "Stylize"


def test_polish_has_three_forms_for_numbers() -> None:
    words = "[_n('Stylize {count} layer', 'Stylize {count} layers', n).format(count='') for n in (1, 2, 5, 22)]"
    one, two, five, twenty_two = eval(said(words, LANGUAGE="pl"))
    assert len({one, two, five}) == 3
    assert two == twenty_two


def test_krita_s_language_counts_where_the_environment_names_none() -> None:
    code = (
        "import os; from PyQt5.QtCore import QLocale; QLocale.setDefault(QLocale('pl_PL'));"
        "from vaporbrush import language; language.follow(); print(os.environ['LANGUAGE']);"
        "os.environ['LANGUAGE'] = 'de'; language.follow(); print(os.environ['LANGUAGE'])"
    )
    folders = ("tests/plugins/fake_krita", "plugins/krita")
    assert python(code, *folders, FAKE_KRITA_QT="5", QT_QPA_PLATFORM="offscreen").split() == ["pl_PL", "de"]
