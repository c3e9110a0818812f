module github.com/outdial/outdial/test

go 1.26.0

require (
	github.com/outdial/outdial/cmd/outdial v0.0.0
	github.com/outdial/outdial/pkg v0.0.0
	github.com/outdial/outdial/pkg/events v0.0.0
	github.com/outdial/outdial/services/compliance v0.0.0
	github.com/outdial/outdial/services/dialer v0.0.0
	github.com/outdial/outdial/services/events-bridge v0.0.0
	github.com/outdial/outdial/services/orchestrator v0.0.0
)

require (
	github.com/VictoriaMetrics/metrics v1.35.3 // indirect
	github.com/VictoriaMetrics/metricsql v0.84.8 // indirect
	github.com/antithesishq/antithesis-sdk-go v0.8.0-default-no-op // indirect
	github.com/compose-spec/compose-go/v2 v2.16.2 // indirect
	github.com/google/go-tpm v0.9.8 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/minio/highwayhash v1.0.4 // indirect
	github.com/nats-io/jwt/v2 v2.8.2 // indirect
	github.com/nats-io/nats-server/v2 v2.15.2 // indirect
	github.com/nats-io/nats.go v1.55.0 // indirect
	github.com/nats-io/nkeys v0.4.16 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	github.com/valyala/fastrand v1.1.0 // indirect
	github.com/valyala/histogram v1.2.0 // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace github.com/outdial/outdial/pkg => ../pkg

replace github.com/outdial/outdial/pkg/events => ../pkg/events

replace github.com/outdial/outdial/services/orchestrator => ../services/orchestrator

replace github.com/outdial/outdial/services/compliance => ../services/compliance

replace github.com/outdial/outdial/services/dialer => ../services/dialer

replace github.com/outdial/outdial/services/events-bridge => ../services/events-bridge

replace github.com/outdial/outdial/cmd/outdial => ../cmd/outdial
