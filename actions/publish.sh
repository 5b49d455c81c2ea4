#!/usr/bin/env bash
# Install Hatch and this plugin, then publish. For the GitHub action and the GitLab template in this directory.
#
# Each variable TRUSTED_PUBLISH_SOME_KEY is the option `-o some-key=VALUE`; an empty one is left out.
# DIST is what to publish, and PYTHON the interpreter to use.
set -euo pipefail

code=$(dirname "$0")/..
venv=$(TMPDIR=${RUNNER_TEMP:-${TMPDIR:-/tmp}} mktemp -d)/venv
"${PYTHON:-python3}" -m venv "$venv"
bin=$venv/bin
[ -d "$bin" ] || bin=$venv/Scripts # on Windows

# Only what this commit pins by hash, and no code of a source distribution, runs with the identity.
pip=("$bin/python" -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" --require-hashes --only-binary :all: -r "$code/.github/requirements/release.txt"
"${pip[@]}" --no-index --no-deps --no-build-isolation "$code"

options=(-p trusted)
for variable in "${!TRUSTED_PUBLISH_@}"; do
  key=$(tr '[:upper:]_' '[:lower:]-' <<< "${variable#TRUSTED_PUBLISH_}")
  if [ -n "${!variable}" ]; then
    options+=(-o "$key=${!variable}")
  fi
done
# `exec`: when the job is cancelled, Hatch gets the signal, and burns the upload token.
exec "$bin/hatch" publish "${options[@]}" -- "${DIST:-dist}"
