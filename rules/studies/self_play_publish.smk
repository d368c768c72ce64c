# The self-play study on the hub, on request: no target depends on it, and no other rule pushes anything.

from prefgrid.limits.hub_token import token

FILES, SETTINGS, _ = made_from("publication", key=None, study="self_play")


rule publish_self_play:
    input:
        FILES,
    output:
        # With publish: null nothing can be planned. `verify` plans every rule without wildcards, so it has one.
        publication="results/self_play/publication/{file}.json",
    log:
        "results/logs/publish_self_play/{file}.log",
    wildcard_constraints:
        file="publication",
    conda:
        "../../envs/prefgrid.yaml"
    resources:
        mem_mb=light_mem_mb,
        runtime=light_runtime,
    params:
        spec=SETTINGS,
        code=fingerprint("self_play.publish_self_play"),
    message:
        "Self-play: publish on the hub"
    shell:
        "exec python -m run_job --log {log} --online self_play/publish_self_play "
        "--policies {input.policies} --data {input.data} --publication {output.publication} "
        "--spec {params.spec:q} --code {params.code:q}"


# Known before all is trained, and not when it is to be pushed.
NEEDED_AT_START["publish_self_play"] = lambda: token(CONFIG.section("self_play").publish.repo)
