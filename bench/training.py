"""The table of training: its rows, its engines, and how it is written. bench/run --train measures it."""

# Title, name in fovea's zoo, batch, name of the row, target ratio (median of the best f32 peer / ours), timed steps a round.
ROWS = [
    ("LeNet-5, MNIST", "lenet5", 64, "lenet5", 2.0, 300),
    ("MLP 784-512-10", "mlp512", 128, "mlp512", 1.0, 300),
    ("ResNet-20, CIFAR", "resnet20_cifar", 128, "resnet20_cifar", 1.6, 10),
    ("VGG-11-BN, CIFAR", "vgg11_bn_cifar", 128, "vgg11_bn_cifar", 2.0, 4),
    ("AlexNet", "alexnet", 32, "alexnet", 1.4, 4),
    ("ResNet-18", "resnet18", 16, "resnet18", 1.6, 4),
]
OURS = ("fovea", "fovea-bf16")
PEERS = ("torch-eager", "torch-channels-last", "torch-bf16", "torch-bf16-channels-last")
QUICK_PEERS = ("torch-eager", "torch-channels-last")
MEMORY_TARGET = 0.8  # our peak memory over that of the fastest peer
HEADING = "## Training, against PyTorch"
HEAD = ["network", "batch", "fovea samples/s", "best peer samples/s", "peer", "ratio", "near / far", "target", "",
        "fovea MiB", "peer MiB", "of it", "", "cache line ns", "load", "others", "rounds"]
BF16_HEAD = ["network", "batch", "fovea bf16 samples/s", "best bf16 peer samples/s", "peer", "ratio", "over our f32"]
ALL_HEAD = ["network, ms a step", *OURS, *PEERS]


def command(options, bench, engine, row, runs):
    """What measures one engine in a process of its own."""
    _, network, batch, _, _, _ = row
    if engine in OURS:
        bf16 = ["--bf16"] if engine.endswith("bf16") else []
        return [options.fovea, "bench", f"zoo:{network}", "--train", "--batch", batch, "--runs", runs, "--warm-up", 5,
                "--json", *bf16, *options.fovea_flags.split()]
    return [options.python, bench / "training_peers.py", engine, network, "--batch", batch, "--runs", runs,
            "--threads", options.threads]


def add_memory_and_bf16(summary, row):
    """Completes what summarise() found of a row: the batch, the share of memory, and the two best engines in bf16."""
    engines = summary["engines"]
    summary["batch"] = row[2]
    peer = engines.get(summary["best_peer"])
    summary["memory_share"] = engines["fovea"]["peak_mib"] / peer["peak_mib"] if peer and "fovea" in engines else None
    fast = [engine for engine in engines if engine in PEERS and "bf16" in engine]
    summary["best_bf16_peer"] = min(fast, key=lambda engine: engines[engine]["median_ms"], default=None)
    return summary


def rate(summary, engine):
    """Samples a second with the median time in brackets."""
    found = summary["engines"].get(engine)
    if not found:
        return "-"
    return f"{summary['batch'] / found['median_ms'] * 1e3:.0f} ({found['median_ms']:.4g} ms)"


def verdict(good, noisy):
    return "-" if good is None else ("pass" if good else "FAIL") + ("?" if noisy else "")


def cells(summary, quiet):
    """A line of the table; `quiet` is the share of the CPUs that others may use."""
    ours, peer = summary["engines"].get("fovea"), summary["engines"].get(summary["best_peer"])
    noisy, share = summary["others"] > quiet, summary["memory_share"]
    by_mode = [f"{summary['ratio_by_mode'][m]:.2f}" if m in summary["ratio_by_mode"] else "-" for m in ("near", "far")]
    low, high = summary["pingpong_ns"]
    return [
        summary["title"],
        str(summary["batch"]),
        rate(summary, "fovea"),
        rate(summary, summary["best_peer"]),
        summary["best_peer"] or "-",
        f"{summary['ratio']:.2f}" if summary["ratio"] else "-",
        " / ".join(by_mode),
        f"{summary['target']:.2f}",
        verdict(summary["pass"], noisy),
        f"{ours['peak_mib']:.0f}" if ours else "-",
        f"{peer['peak_mib']:.0f}" if peer else "-",
        f"{share:.0%}" if share else "-",
        verdict(None if share is None else share <= MEMORY_TARGET, False),
        f"{low:.0f}" if high < 1.3 * low else f"{low:.0f}-{high:.0f}",
        f"{summary['load']:.1f}",
        f"{summary['others']:.0%}" + (" NOISY" if noisy else ""),
        f"{summary['rounds']} of {summary['rounds_measured']}",
    ]


def bf16_cells(summary):
    engines = summary["engines"]
    ours, peer = engines.get("fovea-bf16"), engines.get(summary["best_bf16_peer"])
    over = lambda other: f"{other['median_ms'] / ours['median_ms']:.2f}" if ours and other else "-"
    return [summary["title"], str(summary["batch"]), rate(summary, "fovea-bf16"),
            rate(summary, summary["best_bf16_peer"]), summary["best_bf16_peer"] or "-", over(peer),
            over(engines.get("fovea"))]


def all_cells(summary):
    return [summary["title"]] + [f"{summary['engines'][name]['median_ms']:.4g}" if name in summary["engines"] else "-"
                                 for name in ALL_HEAD[1:]]


def markdown(facts, summaries, table, quiet):
    """The section, from its heading on."""
    return "\n".join([
        HEADING,
        "",
        "Written by `bench/run --train -o docs/performance.md`. A step is forward, cross-entropy, backward and SGD with",
        "momentum on one batch in memory; samples a second come from the median over rounds of the median in each. The",
        "ratio is the time of the fastest f32 peer over ours; memory is the process's largest resident set.",
        "",
        *(f"- {name}: {value}" for name, value in facts if name != "onnxruntime"),
        "",
        table(HEAD, [cells(summary, quiet) for summary in summaries]),
        "",
        "### In bf16: matrix products and convolutions, with f32 weights",
        "",
        table(BF16_HEAD, [bf16_cells(summary) for summary in summaries]),
        "",
        "### All engines",
        "",
        table(ALL_HEAD, [all_cells(summary) for summary in summaries]),
        "",
    ])


def section(text):
    """The section of training in a page, or nothing."""
    start = text.find(HEADING)
    if start < 0:
        return ""
    end = text.find("\n## ", start)
    return text[start:] if end < 0 else text[start:end + 1]


def replaced(text, new):
    """The page with its section of training replaced, or with the new one at its end."""
    old = section(text)
    return text.replace(old, new) if old else text.rstrip("\n") + "\n\n" + new
