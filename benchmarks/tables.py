"""What `benchmarks.predict` measured, as tables in Markdown."""

import statistics
from typing import Any

PEERS = {"a": "(a) baseline", "b": "(b) once a slice"}
ANEW = "the same, if (a) encoded an image once for each box, as it does slices"

Row = dict[str, Any]


def print_report(report: dict[str, Any]) -> None:
    """Print what was measured."""
    rows = report["cases"]
    ours = [name for name in rows[0]["methods"] if name not in PEERS]
    heads = ["case", "size", "boxes", *(f"{title}, s" for title in PEERS.values())]
    heads += [part for name in ours for part in (f"{name}, s", "x (a)", "x (b)")]
    print(f"{report['threads']} threads{', an eighth of the slices' if report['quick'] else ''}\n")
    print(_line(heads))
    print(_line(["---"] * 3 + ["--:"] * (len(heads) - 3)))
    for row in rows:
        seconds = {name: answer["seconds"] for name, answer in row["methods"].items()}
        cells = [row["name"], " x ".join(map(str, row["shape"])), str(row["objects"])]
        cells += [f"{'~' if _was_cut(row) else ''}{seconds['a']:.2f}", f"{seconds['b']:.2f}"]
        for name in ours:
            cells += [f"{seconds[name]:.2f}", *(f"{seconds[peer] / seconds[name]:.1f}" for peer in PEERS)]
        print(_line(cells))
    cells, anew = ["geometric mean", "", "", "", ""], [ANEW, "", "", "", ""]
    for name in ours:
        cells += ["", *(f"{_mean_ratio(rows, peer, name):.1f}" for peer in PEERS)]
        anew += ["", f"{_mean_ratio(rows, 'a', name, 'anew'):.1f}", ""]
    print(_line(cells))
    print(_line(anew))
    cut = [row["methods"]["a"] for row in rows if _was_cut(row)]
    if cut:
        (least, most), (few, many) = ((min(a[key] for a in cut), max(a[key] for a in cut)) for key in ("steps", "of"))
        print(f"\n~: (a) went through {least} to {most} of the {few} to {many} slices and boxes, scaled up")
    print("\n" + _line(["", "peak memory, MB", "cold start, s", "to the end, s", "without cache, s", "Dice to (b)"]))
    print(_line(["---"] + ["--:"] * 5))
    for name in rows[0]["methods"]:
        peak, where = max((row["methods"][name]["peak"], row["name"]) for row in rows)
        cold = report["cold"][name]
        dice = [row["agreement"][name] for row in rows] if name in ours else []
        print(
            _line([
                PEERS.get(name, name), f"{peak:.0f} ({where})", f"{cold['result']:.2f}", f"{cold['end']:.2f}",
                f"{cold['without_cache']:.2f}", f"{statistics.fmean(dice):.4f}, least {min(dice):.4f}" if dice else "",
            ])
        )  # fmt: skip
    print("\n" + _line(["encoder", "ms", "GMAC", "GMAC/s", "matrix product, GMAC/s", "share"]))
    print(_line(["---"] + ["--:"] * 5))
    for name, one in report["encoders"].items():
        rate = one["gmacs"] / one["seconds"]
        print(
            _line([
                name, f"{one['seconds'] * 1e3:.1f}", f"{one['gmacs']:.2f}", f"{rate:.0f}",
                f"{one['peak_gmacs']:.0f}", f"{one['share']:.0%}",
            ])
        )  # fmt: skip


def _was_cut(row: Row) -> bool:
    answer = row["methods"]["a"]
    return bool(answer["steps"] < answer["of"])


def _mean_ratio(rows: list[Row], peer: str, name: str, key: str = "seconds") -> float:
    return statistics.geometric_mean(row["methods"][peer][key] / row["methods"][name]["seconds"] for row in rows)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
