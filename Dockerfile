# One image for all processes: `homing api|reactor|web|migrate`.
#
#   docker build -t homing:0.1.0 .                                    the sample domain inside
#   docker build -t mine:1.0.0 --build-arg DOMAIN=path/to/my-domain . your own, below this folder
#
# A domain of another repository goes on top:
#   FROM homing:build AS build           # docker build --target build -t homing:build .
#   COPY . /domain
#   RUN python3 -m pip --python /opt/homing/bin/python install --no-build-isolation /domain
#   FROM homing:0.1.0
#   COPY --from=build /opt/homing /opt/homing
#
# Any Debian with Python 3.11 or later and pip will do as a base.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore
# The environment has no pip of its own: nothing that installs reaches the last stage.
RUN python3 -m venv --without-pip /opt/homing \
 && python3 -m venv /opt/build
ENV PATH=/opt/build/bin:$PATH
WORKDIR /app
COPY requirements/build.txt requirements/server.txt requirements/
RUN pip install --require-hashes -r requirements/build.txt \
 && pip --python /opt/homing/bin/python install --require-hashes --only-binary :all: -r requirements/server.txt
COPY pyproject.toml README.md ./
COPY src src
ARG DOMAIN=examples/locations
COPY ${DOMAIN} domain
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheels . ./domain \
 && pip --python /opt/homing/bin/python install --no-deps /tmp/wheels/*.whl \
 && rm -r /tmp/wheels \
 && /opt/homing/bin/python -m compileall -q -j 0 /opt/homing/lib

FROM ${PYTHON_IMAGE} AS run
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="homing" \
      org.opencontainers.image.description="Every accepted command comes home to the client that sent it" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
# The base's own installer stays behind too, where it is the one of the public image.
RUN rm -rf /usr/local/lib/python3*/site-packages/pip /usr/local/lib/python3*/site-packages/pip-* \
 /usr/local/lib/python3*/ensurepip /usr/local/bin/pip*
COPY --from=build /opt/homing /opt/homing
# Bytecode is there already, and nothing is written but below /tmp.
ENV PATH=/opt/homing/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
# By number, so that Kubernetes can prove that it is not root.
USER 65532:65532
WORKDIR /tmp
EXPOSE 8080 9090
ENTRYPOINT ["homing"]
CMD ["--help"]

# For skaffold: the source as it lies in /app, and a process that starts again when it changes.
FROM build AS dev
COPY requirements/image-dev.txt requirements/
RUN pip --python /opt/homing/bin/python install --require-hashes --only-binary :all: -r requirements/image-dev.txt \
 && pip --python /opt/homing/bin/python install --no-deps --no-build-isolation -e . -e ./domain \
 && chown -R 65532:65532 /app
COPY deploy/docker/reload /usr/local/bin/reload
ENV PATH=/opt/homing/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 65532:65532
ENTRYPOINT ["reload"]
CMD ["--help"]

# What `docker build` makes without `--target`.
FROM run
