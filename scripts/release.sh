#!/bin/sh
# Build wheel and sdist into dist/, and check both: metadata, and that each installs and works in a
# fresh environment with nothing but the declared dependencies.
set -eu

version=$("$PYTHON" -c 'import finn_imec; print(finn_imec.__version__)')
grep -q "^## \[$version\] - [0-9]" CHANGELOG.md || {
	echo "CHANGELOG.md has no dated section of version $version" >&2
	exit 1
}
rm -rf dist
"$PYTHON" -m build --outdir dist .
"$PYTHON" -m twine check --strict dist/*

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for package in "$PWD"/dist/*.whl "$PWD"/dist/*.tar.gz; do
	"$PYTHON" -m venv --clear "$scratch/venv"
	"$scratch/venv/bin/python" -m pip install --quiet "$package"
	installed=$(cd "$scratch" && venv/bin/python -c 'import finn_imec; print(finn_imec.__version__)')
	[ "$installed" = "$version" ] || {
		echo "$package installs version $installed, not $version" >&2
		exit 1
	}
	(cd "$scratch" && venv/bin/finn-imec algorithms --layer cv5 --run >/dev/null)
	echo "$package: installs and works"
done
