# Every target installs what it needs into .venv: on a fresh machine with make and Python 3.11+ they work as they stand.
#
#   make corpus                         the sample corpus, offline
#   make corpus CONFIG=... OUT=... RUNNER=... ARGS='--set harvest.min_karma=5'
#   make train                          a small GPT-2 on that corpus
#   make train CONFIG=configs/train/gpt2.yaml GPUS=8
#   make test                           what runs on a bare machine

.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
AIRFLOW := .venv-airflow
DATAFLOW := .venv-dataflow
PYWB   := .venv-pywb
UV     := UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" $(BIN)/uv

CONFIG     ?=
OUT        ?=
RUNNER     ?=
GPUS       ?= 1
CHECKPOINT ?= $(TRAINED)
PORT       ?= 8080
ARGS       ?=

# What the targets work on when nothing else is named: the sample, in runs/.
SAMPLE  := runs/sample
TRAINED := $(SAMPLE)-train

OUTPUT    = $(if $(OUT),--set output=$(OUT))
OVERRIDES = $(OUTPUT) $(ARGS)
CORPUS_CONFIG = $(or $(CONFIG),configs/corpus/sample.yaml)

# Whoever names a config or a place has made what it needs; the sample's is made on the way.
NAMED = $(CONFIG)$(OUT)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.development ## everything for corpus, model and tests into .venv

$(BIN)/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "webtext needs Python 3.11 or newer; name one with make PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/uv.txt
	@touch $@

$(VENV)/.corpus: $(BIN)/uv requirements/corpus.txt pyproject.toml
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps -r requirements/corpus.txt -e .
	@touch $@

$(VENV)/.model: $(BIN)/uv requirements/model.txt pyproject.toml
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps -r requirements/model.txt -e .
	@touch $@

$(VENV)/.development: $(VENV)/.corpus $(VENV)/.model requirements/development.txt
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps -r requirements/development.txt
	@touch $@

$(AIRFLOW)/.airflow: $(BIN)/uv requirements/airflow.txt
	$(UV) venv --quiet --allow-existing --python $(BIN)/python $(AIRFLOW)
	$(UV) pip install --quiet --compile-bytecode --python $(AIRFLOW)/bin/python --no-deps -r requirements/airflow.txt
	@touch $@

$(DATAFLOW)/.dataflow: $(BIN)/uv requirements/dataflow.txt requirements/development.txt pyproject.toml
	$(UV) venv --quiet --seed --allow-existing --python $(BIN)/python $(DATAFLOW)
	$(UV) pip install --quiet --python $(DATAFLOW)/bin/python --no-deps -r requirements/dataflow.txt -e .
	$(UV) pip install --quiet --python $(DATAFLOW)/bin/python --constraints requirements/development.txt pytest pytest-timeout
	@touch $@

$(PYWB)/.pywb: $(BIN)/uv requirements/pywb.txt
	$(UV) venv --quiet --allow-existing --python $(BIN)/python $(PYWB)
	$(UV) pip install --quiet --python $(PYWB)/bin/python --no-deps -r requirements/pywb.txt
	@touch $@

$(VENV)/.spark: $(BIN)/uv requirements/spark.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps -r requirements/spark.txt
	@touch $@

$(VENV)/.flink: $(BIN)/uv requirements/flink.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps -r requirements/flink.txt
	@touch $@

MAVEN       ?= mvn
JOB_SERVERS := $(VENV)/job-server

$(JOB_SERVERS)/job-server-%.jar: runners/job-server/pom.xml | $(BIN)/uv
	@command -v $(firstword $(MAVEN)) >/dev/null || { echo "Beam's job server for $* is built by Maven, and there is no\
 $(firstword $(MAVEN)): install Maven and a JDK, or name a jar with runner.job_server" >&2; exit 2; }
	$(MAVEN) --batch-mode --quiet -Dstyle.color=never -P$* -Dbuild=$(CURDIR)/build/job-server-$* -f $< package
	@mkdir -p $(@D) && mv build/job-server-$*/$(@F) $@ && rm -r build/job-server-$*

.PHONY: job-server
job-server: $(JOB_SERVERS)/job-server-spark.jar $(JOB_SERVERS)/job-server-flink.jar ## what drives Spark and Flink; needs Maven

SPARK := $(VENV)/.spark $(JOB_SERVERS)/job-server-spark.jar
FLINK := $(JOB_SERVERS)/job-server-flink.jar

# What a runner needs beside webtext, by its name.
NEEDS_spark-local := $(SPARK)
NEEDS_spark       := $(SPARK)
NEEDS_flink       := $(FLINK)

.PHONY: corpus
corpus: $(VENV)/.corpus $(NEEDS_$(RUNNER)) ## links to release; CONFIG= OUT= RUNNER=spark-local ARGS= pass through
	@$(BIN)/webtext corpus --config $(CORPUS_CONFIG) $(if $(RUNNER),--runner $(RUNNER)) $(OVERRIDES)

$(SAMPLE)/corpus/_SUCCESS: | $(VENV)/.corpus
	@$(BIN)/webtext corpus --config configs/corpus/sample.yaml

.PHONY: tokenizer
tokenizer: $(VENV)/.model $(if $(NAMED),,$(SAMPLE)/corpus/_SUCCESS) ## byte-level BPE of a corpus; CONFIG= OUT= ARGS=
	@$(BIN)/webtext tokenizer $(if $(NAMED),$(if $(CONFIG),--config $(CONFIG)),--config configs/tokenizer/sample.yaml) $(OUTPUT) $(ARGS)

$(SAMPLE)/tokenizer/_SUCCESS: $(SAMPLE)/corpus/_SUCCESS | $(VENV)/.model
	@$(BIN)/webtext tokenizer --config configs/tokenizer/sample.yaml

.PHONY: tokens
tokens: $(VENV)/.model $(if $(NAMED),,$(SAMPLE)/tokenizer/_SUCCESS) ## a corpus as uint16 files; CONFIG= OUT= ARGS=
	@$(BIN)/webtext tokens $(if $(CONFIG),--config $(CONFIG)) --set output=$(or $(OUT),$(SAMPLE)) $(ARGS)

$(SAMPLE)/tokens/_SUCCESS: $(SAMPLE)/tokenizer/_SUCCESS | $(VENV)/.model
	@$(BIN)/webtext tokens --set output=$(SAMPLE)

.PHONY: train
train: $(VENV)/.model $(if $(CONFIG),,$(SAMPLE)/tokens/_SUCCESS) ## train GPT-2; CONFIG= OUT= GPUS=8 ARGS=
	@$(if $(filter-out 1,$(GPUS)),$(BIN)/torchrun --standalone --nproc-per-node=$(GPUS)) $(BIN)/webtext train \
		--config $(or $(CONFIG),configs/train/sample.yaml) $(OUTPUT) $(ARGS)

.PHONY: sample
sample: $(VENV)/.model ## text from a model; CHECKPOINT= ARGS='--prompt "The town"'
	@$(BIN)/webtext sample --checkpoint $(CHECKPOINT) $(ARGS)

.PHONY: export
export: $(VENV)/.model ## a folder that Hugging Face loads; CHECKPOINT= OUT= ARGS=
	@$(BIN)/webtext export --checkpoint $(CHECKPOINT) --output $(or $(OUT),runs/sample-gpt2) $(ARGS)

.PHONY: doctor
doctor: $(VENV)/.corpus ## what would go wrong, before it does; CONFIG= OUT= RUNNER= ARGS=
	@$(BIN)/webtext doctor --config $(CORPUS_CONFIG) $(OVERRIDES)

.PHONY: report
report: $(VENV)/.corpus ## write a run's report.html anew
	@$(BIN)/webtext report --config $(CORPUS_CONFIG) $(OVERRIDES)

.PHONY: inspect
inspect: $(VENV)/.corpus ## look at what was kept and refused: ARGS='--reason low_quality'
	@$(BIN)/webtext inspect --config $(CORPUS_CONFIG) $(OVERRIDES)

.PHONY: test
test: $(VENV)/.development ## all tests that run on a bare machine
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=8 --dist=loadfile -m "not alone"
	$(BIN)/python -m pytest -m alone

.PHONY: check
check: $(VENV)/.development ## ruff, mypy, freshness of the locks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(MAKE) --no-print-directory lock && git diff --exit-code --stat -- requirements || \
		{ echo "the locks do not fit pyproject.toml: run make lock and commit requirements/" >&2; exit 1; }

COMPILE_ALONE = $(UV) pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate
COMPILE       = $(COMPILE_ALONE) pyproject.toml

.PHONY: lock
lock: $(BIN)/uv ## write requirements/ from pyproject.toml, without host names
	@$(COMPILE) --extra corpus --extra model --extra test --extra check --output-file requirements/development.txt
	@$(COMPILE) --extra corpus --constraints requirements/development.txt --output-file requirements/corpus.txt
	@$(COMPILE) --extra model --constraints requirements/development.txt --output-file requirements/model.txt
	@$(COMPILE) --extra corpus --extra gcp --extra remote --constraints requirements/development.txt --output-file requirements/dataflow.txt
	@$(COMPILE_ALONE) requirements/airflow.in --output-file requirements/airflow.txt
	@$(COMPILE_ALONE) requirements/pywb.in --output-file requirements/pywb.txt

.PHONY: test-spark
test-spark: $(VENV)/.development $(SPARK) $(FLINK) $(VENV)/.flink ## the corpus on Spark, a Spark cluster and Flink; needs Java and Maven
	WEBTEXT_ENGINES=yes $(BIN)/python -m pytest tests/spark $(ARGS)

.PHONY: test-pywb
test-pywb: $(VENV)/.development $(PYWB)/.pywb ## what was fetched live, indexed and shown by pywb
	WEBTEXT_PYWB=$(CURDIR)/$(PYWB)/bin $(BIN)/python -m pytest tests/pywb $(ARGS)

.PHONY: test-dataflow
test-dataflow: $(DATAFLOW)/.dataflow ## the graphs as Dataflow is given them; nothing is sent
	$(DATAFLOW)/bin/python -m pytest tests/dataflow $(ARGS)

.PHONY: dags
dags: $(AIRFLOW)/.airflow $(VENV)/.corpus $(VENV)/.model ## Airflow on this machine with the DAGs in dags/; PORT=8080
	@$(AIRFLOW)/bin/python dags/webtext_airflow/local.py runs/airflow $(PORT)

.PHONY: test-airflow
test-airflow: $(AIRFLOW)/.airflow $(VENV)/.corpus $(VENV)/.model ## the DAGs, for real, on the sample
	$(AIRFLOW)/bin/python -m pytest tests/airflow $(ARGS)

.PHONY: test-gpu
test-gpu: $(VENV)/.development ## correctness and speed on the GPU at hand
	$(BIN)/python -m benchmarks.gpu $(ARGS)

.PHONY: bench
bench: $(VENV)/.development ## speed and memory as ratios against peers, in one run
	$(BIN)/python -m benchmarks

.PHONY: clean
clean: ## remove what make made, but no run
	rm -rf $(VENV) $(AIRFLOW) $(DATAFLOW) $(PYWB) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
