"""Ray's errors are texts of many lines; the user gets the one that says why."""

from actors.clusters.errors import first_sentence, last_line


def test_the_last_line_of_a_traceback_is_the_reason_without_the_name_of_our_class() -> None:
    error = RuntimeError(
        "Deploying application everruns failed: Traceback (most recent call last):\n"
        '  File "serve_app.py", line 1, in build\n'
        "everruns.errors.InvalidRequest: The settings file x.toml cannot be read\n\n"
    )

    assert last_line(error) == "The settings file x.toml cannot be read."


def test_the_class_of_an_error_that_is_not_ours_is_kept() -> None:
    assert last_line(Exception("in x\nModuleNotFoundError: No module named 'x'")).startswith(
        "ModuleNotFoundError: "
    )


def test_the_first_sentence_is_on_one_line() -> None:
    assert first_sentence(Exception("Not\nstarted. See the\nlogs.")) == "Not started."


def test_an_error_without_words_is_named() -> None:
    assert first_sentence(TimeoutError()) == "TimeoutError."
    assert last_line(TimeoutError()) == "TimeoutError."
