# One image for all programs: docker compose, and whoever runs them in containers, names the program.

FROM python:3.11-slim-bookworm AS build
RUN python3 -m venv /opt/ev
# The dependencies first: they change less often than the code.
COPY requirements-run.lock /build/
RUN /opt/ev/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
      -r /build/requirements-run.lock
COPY . /build/src
RUN /opt/ev/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps \
      --no-build-isolation /build/src

FROM python:3.11-slim-bookworm
# Nobody that the machine knows; every folder that a program writes to is a volume, and its.
RUN install -d -o 10001 -g 10001 /var/lib/ev /run/ev \
      /secrets/central /secrets/kafka /secrets/postgres /secrets/enrol /secrets/driver \
      /secrets/admin /secrets/metrics /secrets/point-1 /secrets/point-2 /secrets/point-3 \
      /secrets/engine-1 /secrets/engine-2 /secrets/engine-3 \
      /secrets/redis /secrets/gateway-1 /secrets/gateway-2 /secrets/front /secrets/charge-point
COPY --from=build /opt/ev /opt/ev
COPY deploy/stack /opt/stack
ENV PATH=/opt/ev/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/ev
CMD ["ev-central", "--help"]
