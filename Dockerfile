# One image with every binary of outdial, one of the NATS server and one of the
# collector with their configurations, and one of Valkey. None has more in it than it runs.
#
#   docker build --target outdial -t outdial .
#   docker build --target nats -t outdial-nats .
#   docker build --target collector -t outdial-collector .

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOFLAGS=-trimpath
COPY go.mod go.sum go.work go.work.sum ./
COPY cmd ./cmd
COPY internal ./internal
COPY pkg ./pkg
COPY services ./services
COPY sim ./sim
COPY deploy/healthcheck ./deploy/healthcheck
RUN mkdir -p /out/bin && mkdir -m 1777 /out/state \
 && go build -ldflags="-s -w" -o /out/bin/outdial ./cmd/outdial \
 && for role in orchestrator compliance dialer events-bridge; do \
      go build -ldflags="-s -w" -o /out/bin/outdial-$role ./services/$role/cmd/outdial-$role || exit 1; \
    done \
 && go build -ldflags="-s -w" -o /out/bin/healthcheck ./deploy/healthcheck/main.go

# No shell, no package manager, no user but ours: only the programs, and the
# certificates by which they know providers.
FROM scratch AS outdial
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/bin /bin
# Where a service keeps what it knows of the log. A volume made here is writable
# for whoever the service runs as: the one who made the keys.
COPY --from=build --chown=10001:10001 /out/state /var/lib/outdial
USER 10001:10001
ENTRYPOINT ["/bin/outdial"]

FROM nats:2.15.3-alpine AS nats
RUN mkdir /data && chown 10002:10002 /data
COPY deploy/nats/nats.conf deploy/nats/accounts.conf /etc/nats/
USER 10002:10002
ENTRYPOINT ["nats-server"]
CMD ["--config", "/etc/nats/nats.conf"]

# Its volume, too, is writable for whoever it runs as.
FROM valkey/valkey:8.1.3-alpine AS valkey
RUN chmod 1777 /data
USER 10003:10003

# The collector comes without a program to examine it with.
FROM otel/opentelemetry-collector-contrib:0.130.0 AS collector
COPY --from=build /out/bin/healthcheck /healthcheck
COPY deploy/observability/otel-collector.yaml /etc/otelcol/config.yaml
USER 10001:10001
ENTRYPOINT ["/otelcol-contrib"]
CMD ["--config", "/etc/otelcol/config.yaml"]
