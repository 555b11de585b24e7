"""``python -m boostloss``: which losses there are, what they say about themselves, and whether they are right."""

import argparse
import ast
import difflib
import inspect
import os
import re
import sys
from typing import Any

from boostloss import ClassificationLoss, Loss, __version__, verify
from boostloss.losses.persistence import known_losses

EXAMPLE = """\
parameters are Python literals, or words as they are:
  python -m boostloss check Focal --gamma 1.5 --class_weight "[1, 3]"
  python -m boostloss check Huber --delta auto

exit status: 0, or 1 if a check fails, or 2 if the command line is wrong
"""


def main(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    parser = argparse.ArgumentParser(
        "python -m boostloss", description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="{list,show,check}")
    commands.add_parser("list", help="the losses, a line each")
    show = commands.add_parser("show", help="parameters and documentation of a loss")
    show.add_argument("loss", type=_loss_class, metavar="LOSS")
    check = commands.add_parser("check", help="gradients against differences and 50 digits")
    check.add_argument("loss", type=_loss_class, metavar="LOSS")
    rest = check.add_argument("parameters", nargs=argparse.REMAINDER, metavar="--parameter value ...")
    rest.required = False
    given = parser.parse_args(arguments)
    if given.command == "list":
        return _list()
    return _show(given.loss) if given.command == "show" else _check(given.loss, given.parameters)


def _loss_class(name: str) -> type[Loss]:
    """The loss of that name, in any case."""
    known = {known_name.lower(): kind for known_name, kind in known_losses().items()}
    if name.lower() not in known:
        close = [known[other].__name__ for other in difflib.get_close_matches(name.lower(), known)]
        hint = " or ".join(close) if close else "one of those of 'python -m boostloss list'"
        raise argparse.ArgumentTypeError(f"loss == {name!r}, must be {hint}.")
    return known[name.lower()]


def _list() -> int:
    known = known_losses()
    width = max(map(len, known))
    for title, of_classes in (("of classes", True), ("of numbers", False)):
        print(f"Losses {title}")
        for name, kind in sorted(known.items(), key=lambda item: item[0].lower()):
            if issubclass(kind, ClassificationLoss) == of_classes:
                print(f"  {name:<{width}}  {_summary(kind)}")
    return 0


def _summary(kind: type[Loss]) -> str:
    """The first sentence of its documentation."""
    return _without_markup(inspect.getdoc(kind) or "").partition("\n")[0]


def _without_markup(text: str) -> str:
    """Formulas as they would be typed."""
    text = re.sub(r":math:`(.*?)`", r"\1", text)
    for markup, typed in {r"\,": " ", r"\geq": ">=", r"\hat y": "y_pred", "\\": ""}.items():
        text = text.replace(markup, typed)
    return text


def _show(kind: type[Loss]) -> int:
    arguments = ", ".join(f"{name}={parameter.default!r}" for name, parameter in _parameters(kind).items())
    print(f"{kind.__name__}({arguments})\n\n{_without_markup(inspect.getdoc(kind) or '')}")
    return 0


def _parameters(kind: type[Loss]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(kind).parameters)


def _check(kind: type[Loss], arguments: list[str]) -> int:
    usage = "%(prog)s [--ulp ULP] [--parameter VALUE ...]"
    parser = argparse.ArgumentParser(f"python -m boostloss check {kind.__name__}", usage=usage, allow_abbrev=False)
    parser.add_argument("--ulp", type=float, default=8.0, help="tolerance in units in the last place (default: 8)")
    for name in _parameters(kind):
        parser.add_argument(f"--{name}", type=_value, default=argparse.SUPPRESS, metavar="VALUE")
    parsed, unknown = parser.parse_known_args(_joined(arguments))
    if unknown:
        allowed = ", ".join(f"--{name}" for name in _parameters(kind))
        parser.error(f"argument == {unknown[0]!r}, must be one of --ulp, {allowed}, with one value.")
    given = vars(parsed)
    ulp = given.pop("ulp")
    try:
        report = verify.check(kind(**given), ulp=ulp)
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    print(report)
    return 0 if report.ok else 1


def _joined(arguments: list[str]) -> list[str]:
    """``--name value`` as ``--name=value``: a value may begin with a minus."""
    joined: list[str] = []
    for argument in arguments:
        if joined and re.fullmatch(r"--\w+", joined[-1]) and not argument.startswith("--"):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _value(text: str) -> Any:
    """A Python literal; anything else is a word."""
    try:
        return ast.literal_eval(text)
    except (MemoryError, RecursionError, SyntaxError, ValueError):
        return text


if __name__ == "__main__":
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has read enough: ``python -m boostloss list | head``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)
