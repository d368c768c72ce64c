# Figures: a module each, whose literals say what it reads and which settings it uses.

FILES, SETTINGS, CODE = made_from("figure", key="figure")


rule draw_figure:
    input:
        FILES,
    output:
        svg=report(
            "results/{study}/figures/{figure}.svg",
            caption="../captions/artifact.rst",
            category="Figures",
            labels={"study": "{study}", "figure": "{figure}"},
        ),
        png="results/{study}/figures/{figure}.png",
    log:
        "results/logs/draw_figure/{study}/{figure}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=CODE("steps.draw_figure"),
    message:
        "Figure: {wildcards.study}, {wildcards.figure}"
    shell:
        "exec python -m run_job --log {log} steps/draw_figure "
        "--files {input.files} --svg {output.svg} --png {output.png} "
        "--spec {params.spec:q} --code {params.code:q}"
