# One image for all processes: web, worker, beat and commands differ by the argument of deploy/run.
FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install -r requirements.txt

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin palier \
    && install -d -o palier -g palier /run/palier
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    PROMETHEUS_MULTIPROC_DIR=/run/palier/metrics BEAT_SCHEDULE=/run/palier/celerybeat-schedule
WORKDIR /app
COPY --from=build /venv /venv
COPY . .
# The keys below serve this one command and are in no layer's environment. Nothing is connected to.
RUN SECRET_KEY=collectstatic DATABASE_URL=postgres://nobody@127.0.0.1:9/none REDIS_URL=redis://127.0.0.1:9/0 \
    python manage.py collectstatic --noinput
USER palier
EXPOSE 8000
ENTRYPOINT ["/app/deploy/run"]
CMD ["web"]
