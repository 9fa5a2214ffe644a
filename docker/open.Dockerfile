# finn_imec with open tools only: finn-plus, Brevitas, Verilator, Yosys; no Vivado.
#
#   docker build -f docker/open.Dockerfile -t finn-imec-open .
#   docker run --rm finn-imec-open make test
#   docker run --rm -v "$PWD/imec_demo:/finn_imec/imec_demo" finn-imec-open
FROM debian:bookworm-slim

RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates g++ git make python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /finn_imec
# The environment is 6 GB: a separate layer, which changes of tests or documentation do not rebuild.
COPY Makefile LICENSE README.md pyproject.toml hatch_build.py finn_imec.pth ./
COPY scripts scripts
COPY finn_imec/__init__.py finn_imec/__init__.py
RUN make setup

COPY . .
RUN touch .venv/.ready
CMD ["make", "demo"]
