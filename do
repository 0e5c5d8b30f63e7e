#!/bin/sh
# The single entry to fovea: ./do demo | build | test | check | bench | fuzz | install-deps. Plain sh; each command can be repeated.
set -eu
cd "$(dirname "$0")"

jobs=${FOVEA_JOBS:-$(nproc 2>/dev/null || echo 2)}
say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
die() { printf 'do: %s\n' "$*" >&2; exit 1; }

# Packages by their Debian and Ubuntu names.
build_packages="g++ cmake ninja-build ccache pkg-config libfmt-dev libdnnl-dev libprotobuf-dev protobuf-compiler libpng-dev libjpeg-dev
  libwebp-dev libtiff-dev libhwy-dev libzip-dev libarchive-dev zlib1g-dev libcurl4-openssl-dev libssl-dev libcli11-dev nlohmann-json3-dev
  libtomlplusplus-dev libeigen3-dev libkissfft-dev libhnswlib-dev"
test_packages="libgtest-dev python3-onnx python3-numpy python3-pil libopenmpi-dev openmpi-bin"
check_packages="clang-format python3"
fuzz_packages="clang"
bench_packages="python3-torch python3-torchvision python3-onnx python3-numpy"

# install_missing PACKAGE...: installs those that are not there, with sudo when we are not root.
install_missing() {
  missing=""
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null || die "these packages are needed and there is no apt-get here:$missing"
  as_root=""
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "not root and no sudo; install these packages first:$missing"
    as_root=sudo
  fi
  say "installing:$missing"
  $as_root apt-get update -qq >&2
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
}

configure_and_build() { # preset, targets...
  preset=$1
  shift
  [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >&2
  cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"} >&2
}

build() {
  # shellcheck disable=SC2086
  install_missing $build_packages
  say "building build/release/fovea"
  configure_and_build release fovea_program
}

run_tests() { # preset
  say "building the tests ($1)"
  configure_and_build "$1"
  say "running the tests ($1)"
  ctest --test-dir "build/$1" --output-on-failure -j "$jobs" --no-tests=error
}

dependencies_for_tests() {
  # shellcheck disable=SC2086
  install_missing $build_packages $test_packages
}

case "${1:-help}" in
  install-deps) dependencies_for_tests ;;
  build) build ;;
  demo)
    build
    shift
    say "running: fovea demo"
    exec build/release/fovea demo "$@"
    ;;
  test)
    dependencies_for_tests
    run_tests release
    ;;
  check)
    # shellcheck disable=SC2086
    install_missing $build_packages $test_packages $check_packages
    tools/check_format
    tools/check_floors
    configure_and_build release
    tools/check_docs build/release/fovea
    if [ "${2:-}" != fast ]; then
      run_tests release
      say "the same under AddressSanitizer and UndefinedBehaviorSanitizer"
      run_tests sanitize
    fi
    say "all checks passed"
    ;;
  bench)
    build
    # shellcheck disable=SC2086
    install_missing $bench_packages
    shift
    exec bench/run "$@"
    ;;
  fuzz)
    # shellcheck disable=SC2086
    install_missing $build_packages $fuzz_packages
    configure_and_build fuzz
    shift
    [ $# -gt 0 ] || set -- 60
    tools/fuzz build/fuzz "$@"
    ;;
  *)
    cat >&2 <<'HELP'
usage: ./do COMMAND

  demo    install what is missing, build, and look inside a network: start here
  build   build the program at build/release/fovea
  test    build and run all tests
  check   format, floors, warnings as errors, generated docs, tests, and tests under sanitizers; `check fast`: without the tests
  bench   measure against PyTorch and onnxruntime on this machine; `bench --help` lists options
  fuzz    feed damaged files to every parser for a minute each; `fuzz SECONDS TARGET…`: of some, as "onnx image"

Packages are installed with apt-get (Debian 12 or newer, Ubuntu 24.04 or newer).
HELP
    [ "${1:-help}" = help ] || exit 2
    ;;
esac
