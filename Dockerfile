# Two images of one file:
#   docker build --target curate -t medcorpus .
#     docker run --rm -v ~/data:/data:ro -v ~/corpus:/corpus medcorpus run kits23 --source /data/kits23 --out /corpus
#   docker build -t medcorpus-predict .
#     docker run --rm --network none -m 8G -v "$PWD/inputs:/workspace/inputs" -v "$PWD/outputs:/workspace/outputs" \
#       medcorpus-predict bash -c "sh predict.sh"
# The second one segments the cases of the challenge "Segment Anything in Medical Images on Laptop", without torch; its
# user must be allowed to write to ./outputs (chmod 777, or --user).
FROM python:3.11-slim AS source
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY catalog catalog
COPY curate curate
COPY medcorpus medcorpus
COPY predict predict
COPY train train
COPY recipes recipes

FROM source AS curate-build
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.11-slim AS curate
COPY --from=curate-build /venv /venv
RUN useradd --create-home user
USER user
ENV PATH=/venv/bin:$PATH NUMBA_CACHE_DIR=/home/user/.cache/numba
ENTRYPOINT ["curate"]

FROM source AS predict-build
# Only what an .npz case needs. OpenVINO goes without its telemetry, and without what serves no CPU.
RUN python -m venv --without-pip /venv \
    && export PIP_PYTHON=/venv/bin/python PIP_NO_CACHE_DIR=1 PIP_CONSTRAINT=constraints.txt \
    && pip install numpy opencv-python-headless isal typer tqdm \
    && pip install --no-deps . openvino \
    && cd /venv/lib/python3.11/site-packages/openvino/libs \
    && rm -f libopenvino_intel_gpu_plugin.so libopenvino_intel_npu_plugin.so cache.json \
        libopenvino_gguf_* libopenvino_jax_* libopenvino_paddle_* libopenvino_pytorch_* libopenvino_tensorflow_*

FROM python:3.11-slim AS predict
RUN useradd --create-home --uid 1000 user && mkdir -p /workspace/inputs /workspace/outputs && chown -R user /workspace
COPY --from=predict-build /venv /venv
COPY --chown=user predict.sh /workspace/
USER user
WORKDIR /workspace
ENV PATH=/venv/bin:$PATH
# A first case: what is compiled for a CPU like this one stays in the image; on another it is compiled at the start.
RUN python -c "import numpy; numpy.savez('inputs/2DBox_US_0.npz', imgs=numpy.eye(64, dtype='u1'), boxes=[[8, 8, 32, 32]])" \
    && sh predict.sh && find inputs outputs -mindepth 1 -delete
CMD ["sh", "predict.sh"]
