"""Run every benchmark, or those named; renew its table, and what the README says of it.

python benchmarks/run.py [NAME ...]
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
README = FOLDER.parent / "README.md"
# A benchmark is a module that can be run
BENCHMARKS = sorted(
    path.stem for path in FOLDER.glob("*.py") if path != Path(__file__) and "__main__" in path.read_text()
)
IN_README = ("kernels", "training", "startup")
BLOCK = re.compile(r"(?<=<!-- benchmark: speed -->\n).*?(?=<!-- end -->)", re.DOTALL)


def with_speed(readme, results):
    """The text of the README with its block of speed made of the summaries in the folder `results`."""
    paths = [results / f"{name}.summary.md" for name in IN_README]
    block = "\n".join(path.read_text() for path in paths if path.exists())
    return BLOCK.sub(lambda _: block, readme)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all")
    names = parser.parse_args().names or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: choose from {', '.join(BENCHMARKS)}")
    for name in names:
        subprocess.run([sys.executable, FOLDER / f"{name}.py"], check=True)
    README.write_text(with_speed(README.read_text(), FOLDER / "results"))


if __name__ == "__main__":
    main()
