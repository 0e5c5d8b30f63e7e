"""PyTorch at its best on this machine: the environment of a process that runs it."""
import shutil
import subprocess
import sys
from pathlib import Path

BUILD = Path(__file__).resolve().parent.parent / "build" / "bench"
OPENBLAS = "libopenblas0-openmp"


def openblas():
    """The folder of an OpenBLAS that threads with OpenMP, or None.

    Debian's torch takes the BLAS it finds: the plain reference one halves its speed on fully connected layers, and one
    with threads of its own lands on a single CPU once OpenMP is bound. Unpacked under build/, nothing is installed.
    """
    places = lambda: [*Path("/usr/lib").glob("*/openblas-openmp/libblas.so.3"),
                      *BUILD.glob("openblas/usr/lib/*/openblas-openmp/libblas.so.3")]
    if not places() and shutil.which("apt-get"):
        folder = BUILD / "openblas"
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "-q", "download", OPENBLAS], cwd=folder, capture_output=True)
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, folder])
    if not places():
        print(f"NOTE: no OpenBLAS: torch is slower than it could be. On Debian: apt install {OPENBLAS}", file=sys.stderr)
        return None
    return places()[0].parent


def torch_environment(threads):
    """Bound threads, memory kept by the allocator, huge pages: torch at its best."""
    blas = openblas()
    return {
        "OMP_PROC_BIND": "true",
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "MALLOC_TOP_PAD_": str(64 << 20),
        "MALLOC_MMAP_THRESHOLD_": str(4 << 30),
        "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "PYTHONDONTWRITEBYTECODE": "1",
    } | ({"LD_LIBRARY_PATH": str(blas)} if blas else {})
