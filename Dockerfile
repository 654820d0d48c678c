# What workers of Dataflow run, and what may send a run to it: Beam's own image with webtext and the locked libraries.
# It is the image of the Flex Template too (docs/dataflow.md): Google's launcher starts in it and runs FLEX_TEMPLATE_*.
#
#   docker build --tag REGION-docker.pkg.dev/PROJECT/webtext/worker:1 .
#
# Python's minor version must be that of the machine which sends the run: --build-arg PYTHON=3.12.
ARG PYTHON=3.11
ARG BEAM=2.77.0
ARG BASE=apache/beam_python${PYTHON}_sdk:${BEAM}
ARG LAUNCHER=gcr.io/dataflow-templates-base/python311-template-launcher-base:latest
FROM ${LAUNCHER} AS launcher
FROM ${BASE}

WORKDIR /opt/webtext
COPY requirements/uv.txt requirements/dataflow.txt requirements/
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements/uv.txt \
    && uv pip install --system --no-cache --compile-bytecode --no-deps -r requirements/dataflow.txt
COPY pyproject.toml README.md LICENSE ./
COPY webtext webtext
COPY pipeline pipeline
# In place, so that --runner finds configs/runners.
RUN uv pip install --system --no-cache --no-deps --editable . && python -m compileall -q webtext pipeline
COPY configs configs

COPY --from=launcher /opt/google/dataflow/python_template_launcher /opt/google/dataflow/python_template_launcher
ENV FLEX_TEMPLATE_PYTHON_PY_FILE=/opt/webtext/pipeline/template/launcher.py

# Nothing is installed when a worker starts: it needs no environment of its own beside this one.
ENV RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
ENTRYPOINT ["/opt/apache/beam/boot"]
