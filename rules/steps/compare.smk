# A judge's logit of every ordered pair of responses, and the temperature at which it is calibrated.

FILES, SETTINGS, CODE = made_from("matrices")


rule compare_responses:
    input:
        FILES,
        rehearsals=ancient(REHEARSALS),
    output:
        matrices="results/{study}/matrices/{cell}/matrices.parquet",
    log:
        "results/logs/compare_responses/{study}/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        gpu=MODEL_GPU,
        devices=MODEL_DEVICES,
        mem_mb=mem_mb,
        runtime=runtime,
    params:
        spec=SETTINGS,
        code=CODE("steps.compare_responses"),
    message:
        "Matrices: {wildcards.study}, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} --gpus {resources.devices} steps/compare_responses "
        "--groups {input.groups} --opponents {input.opponents} --judge {input.judge} "
        "--matrices {output.matrices} --spec {params.spec:q} --code {params.code:q}"


FILES, SETTINGS, _ = made_from("calibration")


rule calibrate_judge:
    input:
        FILES,
    output:
        calibration="results/{study}/calibrations/{cell}/calibration.json",
    log:
        "results/logs/calibrate_judge/{study}/{cell}.log",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("steps.calibrate_judge"),
    message:
        "Calibration: {wildcards.study}, {wildcards.cell}"
    shell:
        "exec python -m run_job --log {log} steps/calibrate_judge --matrices {input.matrices} "
        "--comparisons {input.comparisons} --calibration {output.calibration} "
        "--spec {params.spec:q} --code {params.code:q}"
