"""`resources.env` of a recipe: what it may set, what it may set if the command line says so, and what never."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.launch.slurm.batches import batches_of, kept
from orchestrator.launch.slurm.script import script_of
from orchestrator.plan.make import make_plan
from orchestrator.recipe.files import RecipeFiles
from orchestrator.recipe.load import load_recipe, load_sweep
from orchestrator.recipe.trust import KEPT, trust_of
from orchestrator.recipe.variables import allowed
from orchestrator.run.submission import Wanted
from orchestrator.toolkits.registry import engine
from orchestrator.toolkits.swift.settings import OWNED

SAID = "a recipe may not set it"
# what sends keys or weights elsewhere, trusts other servers, loads other code, or writes to other places
NEVER = """
OPENAI_BASE_URL OPENAI_API_BASE AZURE_OPENAI_ENDPOINT HF_ENDPOINT HF_INFERENCE_ENDPOINT MODELSCOPE_DOMAIN WANDB_BASE_URL
WANDB_ENTITY MLFLOW_TRACKING_URI COMET_URL_OVERRIDE SWANLAB_API_HOST CLEARML_API_HOST TRACKIO_SPACE_ID MASTER_ADDR
HTTP_PROXY https_proxy ALL_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE
PATH PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONINSPECT PYTHONBREAKPOINT PYTHONUSERBASE PYTHONPYCACHEPREFIX
PYTHONPLATLIBDIR PYTHONEXECUTABLE PYTHONWARNDEFAULTENCODINGX LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT DYLD_INSERT_LIBRARIES
BASH_ENV ENV IFS SHELL BROWSER EDITOR PAGER GIT_SSH_COMMAND GIT_CONFIG_COUNT CC CXX NVCC_APPEND_FLAGS CUDA_HOME
CUDA_PATH CUDA_INJECTION64_PATH CUDA_CACHE_PATH CUDA_MPS_PIPE_DIRECTORY NCCL_NET_PLUGIN NCCL_TUNER_PLUGIN
NCCL_PROFILER_PLUGIN NCCL_CONF_FILE NCCL_TOPO_FILE NCCL_DEBUG_FILE NCCL_COMM_ID NCCL_GRAPH_DUMP_FILE OMP_TOOL_LIBRARIES
TORCH_NCCL_DEBUG_INFO_TEMP_FILE TORCH_NCCL_DEBUG_INFO_PIPE_FILE TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD TORCH_EXTENSIONS_DIR
TORCH_HOME TORCHINDUCTOR_CACHE_DIR TRITON_CACHE_DIR TRITON_PTXAS_PATH CUDNN_LOGDEST_DBG CUBLAS_LOGDEST_DBG
UCX_MODULE_DIR UCX_LOG_FILE FI_PROVIDER_PATH MKL_VERBOSE_OUTPUT_FILE TMPDIR HOME XDG_CACHE_HOME HF_HOME HF_HUB_CACHE
HF_DATASETS_CACHE HF_MODULES_CACHE TRANSFORMERS_CACHE HF_DATASETS_TRUST_REMOTE_CODE HF_TOKEN_PATH MODELSCOPE_CACHE
HF_MLFLOW_LOG_ARTIFACTS WANDB_LOG_MODEL WANDB_DIR WANDB_CONFIG_DIR MMLA_SITE MMLA_DATA_ROOT MMLA_PROGRAM
SWIFT_CONFIG_FILE USE_RAY FORCE_TORCHRUN ALLOW_EXTRA_ARGS ROOT_IMAGE_DIR SLURM_CONF SRUN_EXPORT_ENV
SWIFT_ALLOW_INTERNAL_URL UV_INDEX_URL PIP_INDEX_URL nccl_debug NCCL_ NCCLX A
""".split()  # noqa: SIM905
# speed, logs and what is computed
GOOD = """
NCCL_DEBUG NCCL_P2P_DISABLE NCCL_IB_DISABLE NCCL_SOCKET_IFNAME NCCL_ALGO TORCH_NCCL_ASYNC_ERROR_HANDLING
OMP_NUM_THREADS OMP_WAIT_POLICY MKL_NUM_THREADS KMP_AFFINITY CUDA_LAUNCH_BLOCKING CUDA_DEVICE_ORDER
CUDA_DEVICE_MAX_CONNECTIONS TOKENIZERS_PARALLELISM PYTORCH_CUDA_ALLOC_CONF TQDM_MININTERVAL WANDB_PROJECT HF_HUB_OFFLINE
TRANSFORMERS_VERBOSITY PYTHONHASHSEED CUBLAS_WORKSPACE_CONFIG MMLA_API_RETRIES MMLA_API_TIMEOUT_SECONDS
MMLA_CLIP_SECONDS
""".split()  # noqa: SIM905


def write(folder: Path, *lines: str, model: str = "tiny_qwen2") -> Path:
    file = folder / "recipe.yaml"
    file.write_text("\n".join([f"method: zero_shot\nmodel: {model}\ntasks: [demo]", *lines]) + "\n")
    return file


def refused(file: Path, *overrides: str, allow: tuple[str, ...] = ()) -> str:
    with pytest.raises(InputError) as raised:
        load_recipe(file, overrides, trust=trust_of(allow))
    return str(raised.value)


@pytest.mark.parametrize("name", NEVER)
def test_addresses_programs_and_places_are_the_shells(tmp_path: Path, name: str) -> None:
    file = write(tmp_path, f"resources: {{env: {{{name}: s3cr3t-value}}}}")
    said = refused(file)
    assert said.startswith(f"{file}:4:19: `resources.env.{name}`: {SAID}\n    ")
    assert said.endswith(f"export it in the shell, or allow it for this recipe: --allow-env {name}")
    assert "s3cr3t" not in said
    recipe = load_recipe(file, trust=trust_of([name]))
    assert recipe.resources.env == {name: "s3cr3t-value"}
    assert f"--set resources.env.{name}=x" in refused(write(tmp_path), f"resources.env.{name}=x")


@pytest.mark.parametrize("name", GOOD)
def test_speed_and_logs_are_a_recipes(tmp_path: Path, name: str) -> None:
    assert load_recipe(write(tmp_path, f"resources: {{env: {{{name}: '1'}}}}")).resources.env == {name: "1"}


def test_it_says_what_a_variable_decides(tmp_path: Path) -> None:
    whys = {
        "OPENAI_BASE_URL": "it says where something is sent or fetched",
        "CURL_CA_BUNDLE": "it says which servers are trusted",
        "LD_PRELOAD": "it says which programs and libraries are loaded",
        "HF_DATASETS_TRUST_REMOTE_CODE": "it may have a model's own code run",
        "HF_HUB_CACHE": "it says where files are read or written",
    }
    for name, why in whys.items():
        assert why in refused(write(tmp_path, f"resources: {{env: {{{name}: x}}}}"))
    said = refused(write(tmp_path, "resources: {env: {NUMEXPR_NUM_THREDS: '1'}}"))
    assert "did you mean `NUMEXPR_NUM_THREADS`?" in said


def test_in_files_that_are_extended_and_in_sweeps(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("resources: {env: {LD_PRELOAD: ./x.so}}\n")
    file = write(tmp_path, "extends: base.yaml")
    assert refused(file).startswith(f"{tmp_path}/base.yaml:1:19: `resources.env.LD_PRELOAD`: {SAID}")
    swept = write(tmp_path, "sweep: {resources.env.OPENAI_BASE_URL: ['http://a/v1', 'http://b/v1']}")
    with pytest.raises(InputError, match=SAID):
        load_sweep(swept)
    with pytest.raises(InputError, match=SAID):
        load_sweep(write(tmp_path), sweep=["resources.env.PATH=/a,/b"])


def test_a_toolkits_own_variables_are_that_toolkits(tmp_path: Path) -> None:
    line = "resources: {env: {VIDEO_MAX_SLICE_NUMS: '2'}}"
    assert SAID in refused(write(tmp_path, line))
    assert load_recipe(write(tmp_path, line, model="minicpm_v_2_6")).resources.env == {"VIDEO_MAX_SLICE_NUMS": "2"}


@pytest.mark.parametrize("name", OWNED)
def test_what_the_recipe_says_otherwise_is_for_the_toolkit_to_tell(tmp_path: Path, name: str) -> None:
    """Not for the shell, which would be refused, too."""
    recipe = load_recipe(write(tmp_path, f"resources: {{env: {{{name}: '1'}}}}", model="minicpm_v_2_6"))
    assert f"resources.env.{name}: {OWNED[name]}" in engine("swift").problems(recipe)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("MMLA_TRUST_REMOTE_CODE", "model.trust_remote_code says it"),
        ("MMLA_HUB_PINS", "model.revision says which commit is meant"),
        ("MMLA_ORCHESTRATOR_RUN", "it marks the processes of a run"),
        ("CUDA_VISIBLE_DEVICES", "export it in the shell"),
    ],
)
def test_what_the_orchestrator_sets_nobody_may(tmp_path: Path, name: str, said: str) -> None:
    assert said in refused(write(tmp_path, f"resources: {{env: {{{name}: '1'}}}}"))
    with pytest.raises(InputError, match=f"`{name}` cannot be set by a recipe") as raised:
        trust_of([name])
    assert said in str(raised.value)


def test_a_value_may_load_no_module(tmp_path: Path) -> None:
    for text in ("error", "ignore::DeprecationWarning", "default,error::UserWarning"):
        assert load_recipe(write(tmp_path, f"resources: {{env: {{PYTHONWARNINGS: '{text}'}}}}"))
    said = refused(write(tmp_path, "resources: {env: {PYTHONWARNINGS: 'all:0:antigravity.x:0:0'}}"))
    assert "a recipe may not set it to such a value" in said


def test_the_command_line_allows_names_only() -> None:
    for name in ("A=b", "", "a b", "1A", "*"):
        with pytest.raises(InputError, match="is no name of a variable"):
            trust_of([name])
    with pytest.raises(InputError, match="`HF_TOKEN` looks like a secret") as raised:
        trust_of(["HF_TOKEN"])
    assert "export it" in str(raised.value)
    with pytest.raises(InputError) as raised:
        trust_of(["HF_TOKEN=hf_abcdefghijklmnop1234"])
    assert "hf_abc" not in str(raised.value)


def test_jobs_of_a_cluster_are_allowed_the_same(tmp_path: Path) -> None:
    file = write(tmp_path, "resources: {env: {HF_ENDPOINT: 'https://mirror'}}")
    files = RecipeFiles([file], trust=trust_of(["HF_ENDPOINT"]))
    wanted = Wanted(files, tmp_path / "runs", tmp_path / "results")
    (plan,) = [make_plan(recipe, tmp_path / "runs") for recipe in files.load()]
    recipe = kept(plan)
    (batch,) = batches_of(plan, plan.jobs, recipe.file, wanted.command)
    assert "--allow-env HF_ENDPOINT --checked" in script_of(batch)
    recipe.file.parent.mkdir(parents=True)
    recipe.file.write_text(recipe.text)
    with pytest.raises(InputError, match=SAID):
        load_recipe(recipe.file)
    assert load_recipe(recipe.file, trust=trust_of(kept=True)).resources.env == plan.recipe.resources.env
    assert load_recipe(recipe.file, trust=KEPT).resources.env == plan.recipe.resources.env


def test_the_lists_do_not_contradict_themselves() -> None:
    known = allowed()
    assert not set(known.names) & set(known.ours)
    assert len(set(known.names)) == len(known.names)
    assert not [name for name in GOOD if not known.has(name)]
