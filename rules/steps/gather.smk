# One table of a whole grid from those of its cells. The shell text names no file of a cell: a wide grid's
# names would not fit on one command line. The script opens exactly the cells that the spec lists.

FILES, SETTINGS, _ = made_from("gathered", key="table")


rule gather_table:
    input:
        FILES,
    output:
        table="results/{study}/gathered/{table}",
    log:
        "results/logs/gather_table/{study}/{table}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("steps.gather_table"),
    message:
        "Gather: {wildcards.study}, {wildcards.table}"
    shell:
        "exec python -m run_job --log {log} steps/gather_table "
        "--table {output.table} --spec {params.spec:q} --code {params.code:q}"
