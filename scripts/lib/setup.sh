# Shared by run, test and the continuous integration: a virtual environment with pinned versions, and the
# pages. Each step is skipped when its stamp says that nothing changed.

say() { printf '\033[2m· %s\033[0m\n' "$*"; }
fail() { printf '\033[31m%s\033[0m\n' "$*" >&2; exit 1; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail "VoiceWatch needs Python 3.11 or newer: sudo apt-get install python3 python3-venv"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else return 1; fi
}

apt_install() {
    command -v apt-get >/dev/null || return 1
    say "installing $* (apt)"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 update >/dev/null &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 \
            install --no-install-recommends "$@" >/dev/null
}

make_venv() {
    [ -x .venv/bin/python ] && return
    local python
    python=$(find_python)
    say "making .venv with $python"
    if ! "$python" -m venv .venv 2>/dev/null; then
        rm -rf .venv
        apt_install python3-venv || fail "python3-venv is missing: sudo apt-get install python3-venv"
        "$python" -m venv .venv
    fi
}

# The CPU build of torch: from PyTorch's own index where that can be reached, else from the usual one.
install_torch() {
    local version
    version=$(sed -n 's/^torch==//p' constraints.txt)
    .venv/bin/python -c "import torch, sys; sys.exit(torch.__version__.split('+')[0] != '$version')" 2>/dev/null && return
    say "installing torch $version (CPU)"
    if [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] && reachable https://download.pytorch.org/whl/cpu/torch/; then
        .venv/bin/pip install -q --index-url https://download.pytorch.org/whl/cpu "torch==$version"
    else
        .venv/bin/pip install -q "torch==$version"
    fi
}

reachable() {
    .venv/bin/python - "$1" 2>/dev/null <<'PY'
import sys, urllib.request
urllib.request.urlopen(urllib.request.Request(sys.argv[1], method="HEAD"), timeout=3)
PY
}

stamp() { cat pyproject.toml constraints.txt | sha256sum | cut -c1-16; }

# install EXTRAS STAMPFILE: the project (editable) with its dependencies, once per version of both files.
install_project() {
    local extras=$1 mark=.venv/installed-$2
    [ "$(cat "$mark" 2>/dev/null)" = "$(stamp)" ] && return
    install_torch
    say "installing the pinned dependencies"
    VOICEWATCH_SKIP_PAGES=1 .venv/bin/pip install -q -c constraints.txt -e ".$extras"
    stamp >"$mark"
}

build_pages() {
    local mark=voicewatch/web/dist/.source sources
    sources=$(find voicewatch/web -path '*/node_modules' -prune -o -path 'voicewatch/web/dist' -prune -o -type f -print0 |
        sort -z | xargs -0 cat | sha256sum | cut -c1-16)
    [ "$(cat "$mark" 2>/dev/null)" = "$sources" ] && return
    say "building the pages"
    .venv/bin/python scripts/build_pages
    printf '%s\n' "$sources" >"$mark"
}

set_up_runtime() {
    local began=$SECONDS
    make_venv
    install_project "" runtime
    build_pages
    [ $((SECONDS - began)) -gt 5 ] && say "set up in $((SECONDS - began)) s"
    return 0
}

set_up_tests() {
    make_venv
    install_project "[dev]" dev
    [ -e .venv/installed-runtime ] || cp .venv/installed-dev .venv/installed-runtime
    build_pages
    need_packages chromium fonts-dejavu-core fonts-liberation libatomic1
}

# Debian packages that are not there yet; libatomic1 is for the Node that Playwright brings.
need_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}" ||
        fail "the page tests need more: sudo apt-get install ${missing[*]}"
}
