"""`train models`: the table of presets."""

from typing import Annotated

import typer


def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Only these; also timm:NAME, and db-sam:MODULES such as db-sam:channel+cross."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects in place of the table.")] = False,
) -> None:
    """List the models with their parameters, work and the figure of their paper."""
    from predict.errors import ModelError
    from predict.presets import PRESETS, preset

    presets = [preset(name) for name in names or PRESETS]
    from train.models.cost import cost

    rows = []
    for chosen in presets:
        try:
            rows.append((chosen, cost(chosen)))
        except ModelError as error:
            if names:
                raise
            typer.echo(f"left out: {chosen.name}: {error}", err=True)
    if as_json:
        import json

        objects = [
            {
                "name": chosen.name,
                "image_size": chosen.image_size,
                "encoder_params": counted.encoder_params,
                "prompt_params": counted.prompt_params,
                "decoder_params": counted.decoder_params,
                "total_params": counted.total_params,
                "gmacs": round(counted.gmacs, 3),
                "paper": chosen.paper,
                "source": chosen.source,
            }
            for chosen, counted in rows
        ]
        typer.echo(json.dumps(objects, indent=2))
        return

    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, caption_justify="left")
    for title in ("model", "encoder", "decoder", "total", "GMACs", "paper"):
        numeric = title not in ("model", "paper")
        table.add_column(title, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for chosen, counted in rows:
        numbers = (counted.encoder_params, counted.decoder_params, counted.total_params)
        table.add_row(chosen.name, *(f"{n:,}" for n in numbers), f"{counted.gmacs:.2f}", chosen.paper or "not stated")
    table.caption = (
        "Parameters; the total has the prompt encoder's too. GMACs: the encoder's multiply-accumulates "
        "for one image, in 10^9. Any timm backbone is timm:NAME."
    )
    Console().print(table)
