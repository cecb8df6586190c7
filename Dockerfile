# curate in a container:  docker run --rm -v ~/data:/data:ro -v ~/corpus:/corpus medcorpus run kits23 --source /data/kits23 --out /corpus
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY catalog catalog
COPY curate curate
COPY train train
COPY recipes recipes
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.11-slim
COPY --from=build /venv /venv
RUN useradd --create-home user
USER user
ENV PATH=/venv/bin:$PATH NUMBA_CACHE_DIR=/home/user/.cache/numba
ENTRYPOINT ["curate"]
